#include "prepare/copy_template.h"

namespace rekindle {

TemplateSpec template_of(const DrCopy& copy, const ImageId& boot_image, const std::string& name, Tags tags) {
  TemplateSpec spec;
  spec.name = name;
  spec.firmware = copy.firmware;
  spec.disks.push_back({boot_image, ""});
  for (std::size_t i = 1; i < copy.disks.size(); ++i) spec.disks.push_back({copy.disks[i].image_id, ""});
  spec.tags = std::move(tags);
  return spec;
}

}  // namespace rekindle
