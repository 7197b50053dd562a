#include "sandbox/region/xml.h"

#include <sstream>

#include "base/clock.h"

namespace rekindle::sandbox {

void Xml::add_time(const char* name, std::int64_t milliseconds) {
  add(name, to_iso8601(Time(std::chrono::milliseconds(milliseconds))));
}

void Xml::add_tags(const Tags& tags) {
  Xml set = child("tagSet");
  for (const auto& [key, value] : tags) {
    Xml tag = set.item();
    tag.add("key", key);
    tag.add("value", value);
  }
}

void Xml::add_list(const char* name, const std::vector<std::string>& texts) {
  Xml list = child(name);
  for (const std::string& text : texts) list.add("item", text);
}

std::string to_text(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "", pugi::format_raw);
  return out.str();
}

HttpResponse xml_answer(int status, const pugi::xml_document& document) {
  return HttpResponse::text(status, "text/xml;charset=UTF-8", to_text(document));
}

}  // namespace rekindle::sandbox
