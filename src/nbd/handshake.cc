#include "nbd/handshake.h"

#include <algorithm>

#include "nbd/protocol.h"

namespace rekindle::nbd {

namespace {

constexpr std::string_view allocation_context = "base:allocation";

// Takes an option's payload apart; whoever asks for more than is there gets nothing and makes it not ok.
class Payload {
 public:
  explicit Payload(ByteView bytes) : bytes_(bytes) {}
  template <typename T>
  T number() {
    const ByteView part = take(sizeof(T));
    return part.empty() ? T{} : load_be<T>(part.data());
  }
  std::string text(std::size_t length) { return std::string(as_text(take(length))); }
  bool complete() const { return ok_ && bytes_.empty(); }
  bool ok() const { return ok_; }

 private:
  ByteView take(std::size_t length) {
    if (length > bytes_.size()) ok_ = false;
    if (!ok_) return {};
    const ByteView part = bytes_.first(length);
    bytes_ = bytes_.subspan(length);
    return part;
  }
  ByteView bytes_;
  bool ok_ = true;
};

std::uint16_t flags_of(const Export& exported) {
  namespace flag = transmission_flag;
  const unsigned always = flag::has_flags | flag::send_flush | flag::send_fua | flag::send_df |
                          flag::can_multi_conn | flag::send_cache;
  const unsigned more =
      exported.target == nullptr ? flag::read_only : flag::send_trim | flag::send_write_zeroes;
  return static_cast<std::uint16_t>(always | more);
}

class Handshake {
 public:
  Handshake(Connection& connection, std::span<const Export> exports)
      : connection_(connection), exports_(exports) {}

  Result<std::optional<Session>> perform() {
    Message greeting;
    greeting.number(server_magic).number(option_magic);
    greeting.number<std::uint16_t>(handshake_flag::fixed_newstyle | handshake_flag::no_zeroes);
    TRY(connection_.send(greeting.bytes()));
    const auto flags = TRY(connection_.receive_number<std::uint32_t>());
    if ((flags & ~3U) != 0)
      return error(ErrorCode::invalid_argument, "unknown NBD client flags {:#x}", flags);
    no_zeroes_ = (flags & handshake_flag::no_zeroes) != 0;
    while (!over_) TRY(next_option());
    return session_.exported == nullptr ? std::optional<Session>() : session_;
  }

 private:
  Result<> next_option();
  Result<> perform_option(Option option, ByteView data);
  Result<> enter_by_name(ByteView data);
  Result<> list(Option option, ByteView data);
  Result<> inform(Option option, ByteView data);
  Result<> meta_context(Option option, ByteView data);

  Result<> answer(Option option, OptionReply reply, const Message& message = {}) {
    Message head;
    head.number(option_reply_magic).number(static_cast<std::uint32_t>(option));
    head.number(static_cast<std::uint32_t>(reply));
    head.number(static_cast<std::uint32_t>(message.bytes().size()));
    return connection_.send(head.bytes(), message.bytes());
  }
  Result<> refuse(Option option, OptionReply why, std::string_view sentence) {
    return answer(option, why, Message().text(sentence));
  }
  const Export* find(const std::string& name) const {
    if (name.empty()) return &exports_.front();
    const auto found = std::ranges::find(exports_, name, &Export::name);
    return found == exports_.end() ? nullptr : &*found;
  }

  Connection& connection_;
  const std::span<const Export> exports_;
  Session session_;
  const Export* context_of_ = nullptr;  // whose meta context was chosen
  bool no_zeroes_ = false;
  bool over_ = false;
};

Result<> Handshake::next_option() {
  const auto magic = TRY(connection_.receive_number<std::uint64_t>());
  if (magic != option_magic) return error(ErrorCode::invalid_argument, "this is no option of NBD");
  const auto option = static_cast<Option>(TRY(connection_.receive_number<std::uint32_t>()));
  const auto length = TRY(connection_.receive_number<std::uint32_t>());
  if (length > longest_request) {
    return error(ErrorCode::invalid_argument, "an NBD option of {} bytes", length);
  }
  if (length > longest_option) {
    TRY(connection_.skip(length));
    return refuse(option, OptionReply::too_big, "this option is too long");
  }
  Bytes data(length);
  TRY(connection_.receive(data));
  return perform_option(option, data);
}

Result<> Handshake::perform_option(Option option, ByteView data) {
  switch (option) {
    case Option::export_name:
      return enter_by_name(data);
    case Option::abort:
      over_ = true;
      return answer(option, OptionReply::ack);
    case Option::list:
      return list(option, data);
    case Option::info:
    case Option::go:
      return inform(option, data);
    case Option::structured_reply:
      if (!data.empty()) return refuse(option, OptionReply::invalid, "this option has no data");
      session_.structured_replies = true;
      return answer(option, OptionReply::ack);
    case Option::list_meta_context:
    case Option::set_meta_context:
      return meta_context(option, data);
  }
  return refuse(option, OptionReply::unsupported, "this server does not know this option");
}

// The old way in, which has no way to say no.
Result<> Handshake::enter_by_name(ByteView data) {
  const Export* found = find(std::string(as_text(data)));
  if (found == nullptr)
    return error(ErrorCode::not_found, "the client asked for an export that is not there");
  Message message;
  message.number(found->source->size()).number(flags_of(*found));
  if (!no_zeroes_) message.zeros(124);
  session_.exported = found;
  session_.allocation = context_of_ == found;
  over_ = true;
  return connection_.send(message.bytes());
}

Result<> Handshake::list(Option option, ByteView data) {
  if (!data.empty()) return refuse(option, OptionReply::invalid, "this option has no data");
  for (const Export& one : exports_) {
    Message message;
    message.number(static_cast<std::uint32_t>(one.name.size())).text(one.name).text(one.description);
    TRY(answer(option, OptionReply::server, message));
  }
  return answer(option, OptionReply::ack);
}

Result<> Handshake::inform(Option option, ByteView data) {
  Payload in(data);
  const std::string name = in.text(in.number<std::uint32_t>());
  const auto wishes = in.number<std::uint16_t>();
  for (int i = 0; i < wishes && in.ok(); ++i) in.number<std::uint16_t>();  // all is told anyway
  if (!in.complete()) return refuse(option, OptionReply::invalid, "this option does not parse");
  const Export* found = find(name);
  if (found == nullptr) return refuse(option, OptionReply::unknown, "there is no such export");
  Message size;
  size.number(static_cast<std::uint16_t>(Info::exported))
      .number(found->source->size())
      .number(flags_of(*found));
  TRY(answer(option, OptionReply::info, size));
  Message blocks;
  blocks.number(static_cast<std::uint16_t>(Info::block_size));
  blocks.number<std::uint32_t>(1).number<std::uint32_t>(4096).number(longest_request);
  TRY(answer(option, OptionReply::info, blocks));
  if (!found->description.empty()) {
    Message description;
    description.number(static_cast<std::uint16_t>(Info::description)).text(found->description);
    TRY(answer(option, OptionReply::info, description));
  }
  TRY(answer(option, OptionReply::ack));
  if (option == Option::info) return {};
  session_.exported = found;
  session_.allocation = context_of_ == found;
  over_ = true;
  return {};
}

Result<> Handshake::meta_context(Option option, ByteView data) {
  Payload in(data);
  const std::string name = in.text(in.number<std::uint32_t>());
  const auto queries = in.number<std::uint32_t>();
  const bool setting = option == Option::set_meta_context;
  bool wanted = !setting && queries == 0;  // a list without queries is of all there is
  for (std::uint32_t i = 0; i < queries && in.ok(); ++i) {
    const std::string query = in.text(in.number<std::uint32_t>());
    wanted = wanted || query == allocation_context || (!setting && query == "base:");
  }
  if (!in.complete() || (setting && !session_.structured_replies)) {
    return refuse(option, OptionReply::invalid,
                  "this option does not parse, or needs structured replies first");
  }
  const Export* found = find(name);
  if (found == nullptr) return refuse(option, OptionReply::unknown, "there is no such export");
  if (setting) context_of_ = wanted ? found : nullptr;
  if (wanted) {
    Message context;
    context.number(setting ? allocation_context_id : 0U).text(allocation_context);
    TRY(answer(option, OptionReply::meta_context, context));
  }
  return answer(option, OptionReply::ack);
}

}  // namespace

Result<std::optional<Session>> shake_hands(Connection& connection, std::span<const Export> exports) {
  CHECK(!exports.empty());
  return Handshake(connection, exports).perform();
}

}  // namespace rekindle::nbd
