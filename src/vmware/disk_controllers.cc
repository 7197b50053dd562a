#include "vmware/disk_controllers.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace rekindle {

namespace {

constexpr int scsi_unit_of_controller = 7;
constexpr int most_scsi_controllers = 4;  // of all SCSI kinds together

const ControllerKind& kind_for_all(const Machine& machine) {
  const auto first = std::ranges::min_element(machine.disks, {}, &DiskSpec::position);
  const ControllerKind* known = first == machine.disks.end() ? nullptr : controller_kind(first->controller);
  if (known != nullptr) return *known;
  return *controller_kind(machine.firmware == Firmware::uefi ? "ahci" : "pvscsi");
}

std::vector<DiskPlace> one_after_the_other(const ControllerKind& kind, std::size_t count) {
  std::vector<DiskPlace> places;
  for (int i = 0; i < static_cast<int>(count); ++i) {
    int unit = i % kind.most_disks();
    if (kind.scsi && unit >= scsi_unit_of_controller) ++unit;
    places.push_back({&kind, i / kind.most_disks(), unit});
  }
  return places;
}

bool is_possible(const DiskPlace& place) {
  if (place.kind == nullptr || place.bus < 0 || place.bus >= place.kind->most_controllers) return false;
  if (place.unit < 0 || place.unit >= place.kind->units) return false;
  return !place.kind->scsi || place.unit != scsi_unit_of_controller;
}

// Of SCSI each bus number belongs to one controller, whatever its kind.
bool fit_together(const std::vector<DiskPlace>& places) {
  std::set<std::tuple<const ControllerKind*, int, int>> taken;
  std::map<int, const ControllerKind*> scsi;
  for (const DiskPlace& place : places) {
    if (!is_possible(place) || !taken.insert({place.kind, place.bus, place.unit}).second) return false;
    if (place.kind->scsi && scsi.emplace(place.bus, place.kind).first->second != place.kind) return false;
  }
  return scsi.size() <= most_scsi_controllers;
}

// Firmware takes the disks of a kind by bus and unit. An order that somebody chose by hand cannot be given to
// a machine that is only being made: its disks have no names yet.
bool boots_from_the_first(const std::vector<DiskPlace>& places) {
  const DiskPlace& first = places.front();
  return std::ranges::none_of(places, [&](const DiskPlace& other) {
    return other.kind == first.kind && std::pair(other.bus, other.unit) < std::pair(first.bus, first.unit);
  });
}

std::vector<DiskPlace> places_of(const std::vector<DiskSpec>& disks) {
  std::vector<DiskPlace> places;
  places.reserve(disks.size());
  for (const DiskSpec& disk : disks)
    places.push_back({controller_kind(disk.controller), disk.bus, disk.unit});
  return places;
}

bool can_stay(const std::vector<DiskPlace>& places) {
  return !places.empty() && fit_together(places) && boots_from_the_first(places);
}

}  // namespace

const ControllerKind* controller_kind(std::string_view name) {
  const auto* const found = std::ranges::find(controller_kinds, name, &ControllerKind::name);
  return found == controller_kinds.end() ? nullptr : found;
}

const ControllerKind* controller_kind_of_type(std::string_view type) {
  const auto* const found = std::ranges::find(controller_kinds, type, &ControllerKind::type);
  return found == controller_kinds.end() ? nullptr : found;
}

std::size_t most_disks(const Machine& machine) {
  const ControllerKind& kind = kind_for_all(machine);
  const auto limit = static_cast<std::size_t>(kind.most_disks() * kind.most_controllers);
  return can_stay(places_of(disks_in_order(machine))) ? std::max(limit, machine.disks.size()) : limit;
}

std::vector<DiskSpec> disks_in_order(const Machine& machine) {
  std::vector<DiskSpec> disks = machine.disks;
  std::ranges::stable_sort(disks, {}, &DiskSpec::position);
  return disks;
}

std::vector<DiskPlace> place_disks(const Machine& machine) {
  std::vector<DiskPlace> places = places_of(disks_in_order(machine));
  if (can_stay(places)) return places;
  return one_after_the_other(kind_for_all(machine), machine.disks.size());
}

}  // namespace rekindle
