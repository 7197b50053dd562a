#include "nbd/transmission.h"

#include <algorithm>

#include "base/log.h"

namespace rekindle::nbd {

namespace {

// A block status may tell of less than was asked for. Looking at more would be paid again and again by
// clients that take only the first answer.
constexpr std::uint64_t longest_status = 64 * mib;
constexpr std::size_t most_extents = 1024;

Errno errno_of(const Error& why) {
  if (why.code() == ErrorCode::exhausted) return Errno::nospc;
  if (why.code() == ErrorCode::invalid_argument) return Errno::inval;
  if (why.code() == ErrorCode::permission_denied) return Errno::perm;
  return Errno::io;
}

class Performer {
 public:
  Performer(const Request& request, const Session& session, Connection& connection)
      : request_(request), session_(session), connection_(connection), export_(*session.exported) {}

  Result<> perform() {
    Result<> allowed = check();
    if (!allowed.ok()) return refuse(allowed.error());
    switch (request_.command) {
      case Command::read:
        return read();
      case Command::block_status:
        return block_status();
      default:
        return answer(change());
    }
  }

 private:
  bool has(std::uint16_t flag) const { return (request_.flags & flag) != 0; }

  Result<> check() const;
  Result<> read();
  Result<> block_status();
  Result<> change();
  Result<> answer(const Result<>& done) { return done.ok() ? succeed() : refuse(done.error()); }
  Result<> succeed();
  Result<> refuse(const Error& why);
  Message chunk(Chunk type, std::size_t length) const;
  Message simple(Errno code) const;

  const Request& request_;
  const Session& session_;
  Connection& connection_;
  const Export& export_;
};

Result<> Performer::check() const {
  const Command command = request_.command;
  if (command > Command::block_status || (request_.flags & ~command_flag::known) != 0) {
    return error(ErrorCode::invalid_argument, "this server does not know this request");
  }
  if (command == Command::flush) return {};
  const std::uint64_t size = export_.source->size();
  if (request_.offset > size || request_.length > size - request_.offset || request_.length == 0) {
    return error(ErrorCode::invalid_argument, "the range is empty, or not inside the disk");
  }
  if (command == Command::read && request_.length > longest_request) {
    return error(ErrorCode::invalid_argument, "at most 32 MiB can be read at once");
  }
  const bool changes =
      command == Command::write || command == Command::trim || command == Command::write_zeroes;
  if (changes && export_.target == nullptr) {
    return error(ErrorCode::permission_denied, "this export is read-only");
  }
  if (command == Command::block_status && !session_.allocation) {
    return error(ErrorCode::invalid_argument, "base:allocation was not asked for");
  }
  return {};
}

Result<> Performer::read() {
  Bytes content(request_.length);
  const Result<> done = export_.source->read_at(request_.offset, content);
  if (!done.ok()) return refuse(done.error());
  if (!session_.structured_replies) return connection_.send(simple(Errno::none).bytes(), content);
  Message head = chunk(Chunk::offset_data, sizeof(std::uint64_t) + content.size());
  head.number(request_.offset);
  return connection_.send(head.bytes(), content);
}

Result<> Performer::block_status() {
  Extent left{request_.offset, std::min<std::uint64_t>(request_.length, longest_status)};
  const auto data = export_.source->data_extents(left);
  if (!data.ok()) return refuse(data.error());
  Message extents;
  std::size_t count = 0;
  const std::size_t most = has(command_flag::req_one) ? 1 : most_extents;
  for (auto next = data->begin(); left.length > 0 && count < most; ++count) {
    const bool in_data = next != data->end() && next->offset <= left.offset;
    const std::uint64_t until = next == data->end() ? left.end() : in_data ? next->end() : next->offset;
    extents.number(static_cast<std::uint32_t>(until - left.offset));
    extents.number(in_data ? allocation::data : allocation::hole_and_zero);
    if (in_data) ++next;
    left = {until, left.end() - until};
  }
  Message head = chunk(Chunk::block_status, sizeof(std::uint32_t) + extents.bytes().size());
  head.number(allocation_context_id);
  return connection_.send(head.bytes(), extents.bytes());
}

Result<> Performer::change() {
  switch (request_.command) {
    case Command::write:
      TRY(export_.target->write_at(request_.offset, request_.payload));
      break;
    case Command::trim:
    case Command::write_zeroes:
      TRY(export_.target->write_zeros(request_.offset, request_.length));
      break;
    case Command::cache:
      export_.source->will_read({request_.offset, request_.length});
      break;
    default:
      break;
  }
  const bool flush = request_.command == Command::flush || has(command_flag::fua);
  if (flush && export_.target != nullptr) TRY(export_.target->flush());
  return {};
}

Message Performer::chunk(Chunk type, std::size_t length) const {
  Message head;
  head.number(structured_reply_magic).number(chunk_done).number(static_cast<std::uint16_t>(type));
  head.number(request_.cookie).number(static_cast<std::uint32_t>(length));
  return head;
}

Message Performer::simple(Errno code) const {
  Message head;
  head.number(simple_reply_magic).number(static_cast<std::uint32_t>(code)).number(request_.cookie);
  return head;
}

Result<> Performer::succeed() {
  return connection_.send(simple(Errno::none).bytes());
}

Result<> Performer::refuse(const Error& why) {
  if (why.code() != ErrorCode::invalid_argument && why.code() != ErrorCode::permission_denied) {
    log::warn("NBD export {}: {}", export_.name, why.message());
  }
  const bool structured = session_.structured_replies &&
                          (request_.command == Command::read || request_.command == Command::block_status);
  if (!structured) return connection_.send(simple(errno_of(why)).bytes());
  const std::string sentence = why.message().substr(0, 1024);
  Message body;
  body.number(static_cast<std::uint32_t>(errno_of(why)));
  body.number(static_cast<std::uint16_t>(sentence.size())).text(sentence);
  return connection_.send(chunk(Chunk::error, body.bytes().size()).bytes(), body.bytes());
}

}  // namespace

Result<Request> receive_request(Connection& connection) {
  std::byte head[28];
  TRY(connection.receive(head));
  if (load_be<std::uint32_t>(head) != request_magic) {
    return error(ErrorCode::invalid_argument, "this is no request of NBD");
  }
  Request request;
  request.flags = load_be<std::uint16_t>(head + 4);
  request.command = static_cast<Command>(load_be<std::uint16_t>(head + 6));
  request.cookie = load_be<std::uint64_t>(head + 8);
  request.offset = load_be<std::uint64_t>(head + 16);
  request.length = load_be<std::uint32_t>(head + 24);
  if (request.command != Command::write) return request;
  if (request.length > longest_request) {
    return error(ErrorCode::invalid_argument, "an NBD write of {} bytes", request.length);
  }
  request.payload.resize(request.length);
  TRY(connection.receive(request.payload));
  return request;
}

Result<> perform(const Request& request, const Session& session, Connection& connection) {
  return Performer(request, session, connection).perform();
}

}  // namespace rekindle::nbd
