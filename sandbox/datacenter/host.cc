#include "sandbox/datacenter/host.h"

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "sandbox/datacenter/disk_images.h"
#include "sandbox/datacenter/guest_image.h"

namespace rekindle::sandbox {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr auto watch_interval = std::chrono::milliseconds(200);

fs::path lost_mark(const fs::path& directory) {
  return directory / "lost";
}

// Holds the name of a machine that is being made.
fs::path making_mark(const MachinePlaces& places) {
  return places.state / "making";
}

// A name becomes a folder of the datastore.
Result<> check_name(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 60 && name[0] != '.' &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                    });
  if (good) return {};
  return error(ErrorCode::invalid_argument,
               "'{}' is no name for a machine: use letters, digits, '-', '_' and '.'", name);
}

// Ids that were asked for stay.
void name_anew(MachineRecord& record, Random& random) {
  if (record.uuid.empty()) record.uuid = random.uuid();
  if (record.instance_uuid.empty()) record.instance_uuid = random.uuid();
  // 00:50:56:00-3f is what VMware leaves to manual addresses.
  if (record.mac.empty())
    record.mac = fmt::format("00:50:56:00:{:02x}:{:02x}", record.number / 256, record.number % 256);
  for (DiskRecord& disk : record.disks) {
    if (!disk.uuid.empty()) continue;
    const std::string hex = random.hex(16);
    disk.uuid = fmt::format("6000C29{}-{}-{}-{}-{}", hex.substr(0, 1), hex.substr(1, 4), hex.substr(5, 4),
                            hex.substr(9, 4), hex.substr(13, 12));
  }
}

Result<> make_empty_disks(const MachineRecord& record, const MachinePlaces& places) {
  for (const DiskRecord& disk : record.disks) {
    File flat = TRY(File::open(places.flat(record, disk.unit()), File::Mode::create));
    TRY(flat.resize(disk.capacity_bytes));
  }
  return {};
}

// Those of the guest; what a spec adds to them comes after.
Result<> copy_disks(const fs::path& from, const MachineRecord& guest, const MachinePlaces& places) {
  for (const DiskRecord& disk : guest.disks) {
    const int unit = disk.unit();
    TRY(copy_sparse(guest_disk(from, unit), places.flat(guest, unit)));
  }
  return {};
}

// The disks as the guest left them when it was suspended, and its memory, in which the NIC has that address.
Result<> take_saved_state(const fs::path& saved, MachineRecord& record, const MachinePlaces& places) {
  const std::string text = TRY(read_text_file(saved / "saved.json"));
  const json description = json::parse(text, nullptr, false);
  if (!description.is_object()) return error(ErrorCode::corrupt, "{} is damaged; delete it", saved.string());
  record.mac = description.value("mac", record.mac);
  record.power = PowerState::suspended;
  TRY(copy_disks(saved, record, places));
  TRY(copy_sparse(saved / "memory", places.memory()));
  if (record.firmware == "uefi") TRY(copy_sparse(saved / "nvram", places.nvram(record)));
  return {};
}

Result<> take_image(const fs::path& guest, const MachineRecord& record, const MachinePlaces& places) {
  TRY(copy_disks(guest, record, places));
  if (record.firmware == "uefi") TRY(copy_sparse(ovmf_variables, places.nvram(record)));
  return {};
}

Result<MachineRecord> new_record(const MachineSpec& spec, int number) {
  MachineRecord record;
  if (!spec.guest_directory.empty()) record = TRY(read_guest(spec.guest_directory));
  for (const std::uint64_t bytes : spec.empty_disks_bytes) {
    record.disks.push_back({2000 + static_cast<int>(record.disks.size()), bytes, "", {}});
  }
  if (record.disks.empty() || record.disks.size() > 6) {
    return error(ErrorCode::invalid_argument, "a machine has 1 to 6 disks, not {}", record.disks.size());
  }
  if (spec.guest_directory.empty()) record.memory_mib = 32;
  record.number = number;
  record.name = spec.name;
  record.run_cpus = spec.run_cpus;
  record.uuid.clear();
  record.instance_uuid.clear();
  for (DiskRecord& disk : record.disks) disk.uuid.clear();
  SystemRandom random;
  name_anew(record, random);
  return record;
}

Result<> fill_disks(const MachineSpec& spec, MachineRecord& record, const MachinePlaces& places) {
  TRY(make_directories(places.home(record)));
  TRY(make_directories(places.state));
  TRY(make_empty_disks(record, places));
  if (spec.guest_directory.empty()) return {};
  const bool as_saved = spec.use_saved_state && spec.empty_disks_bytes.empty();
  const auto saved = as_saved ? find_saved_state(spec.guest_directory, record) : std::nullopt;
  if (saved) return take_saved_state(*saved, record, places);
  MachineRecord guest = record;
  guest.disks.resize(record.disks.size() - spec.empty_disks_bytes.size());
  return take_image(spec.guest_directory, guest, places);
}

}  // namespace

void ChangeSignal::raise() {
  const std::lock_guard lock(mutex_);
  ++count_;
  raised_.notify_all();
}
std::uint64_t ChangeSignal::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}
void ChangeSignal::wait(std::uint64_t seen, std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  raised_.wait_until(lock, deadline, [&] { return count_ > seen || stopped_; });
}
void ChangeSignal::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  raised_.notify_all();
}
bool ChangeSignal::stopped() const {
  const std::lock_guard lock(mutex_);
  return stopped_;
}

Host::Host(fs::path directory, FileLock lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}
Host::~Host() {
  changes_.stop();
}

Result<std::unique_ptr<Host>> Host::open(const fs::path& directory) {
  std::error_code failure;
  if (fs::exists(lost_mark(directory), failure)) {
    return error(ErrorCode::failed_precondition,
                 "the datacenter in {} was lost in a disaster; revive it first", directory.string());
  }
  TRY(make_directories(directory / "datastore1"));
  TRY(make_directories(directory / "vms"));
  FileLock lock = TRY(FileLock::try_acquire(directory / "lock"), "another server has this datacenter");
  std::unique_ptr<Host> host(new Host(directory, std::move(lock)));
  TRY(host->load_all());
  host->watcher_ = std::jthread([raw = host.get()](const std::stop_token& stop) { raw->watch(stop); });
  return host;
}

MachinePlaces Host::places_of(int number) const {
  return {datastore(), directory_ / "vms" / std::to_string(number)};
}

Result<> Host::load_all() {
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory_ / "vms", failure)) {
    const int number = std::atoi(entry.path().filename().c_str());
    last_number_ = std::max(last_number_, number);
    remove_half_made(number);
    if (number == 0 || !fs::exists(places_of(number).record())) continue;
    machines_[number] = TRY(Machine::load(places_of(number), [this] { changes_.raise(); }));
  }
  return {};
}

// A machine whose making was cut short: it has no record yet.
void Host::remove_half_made(int number) {
  const auto name = read_text_file(making_mark(places_of(number)));
  if (!name.ok()) return;
  std::error_code failure;
  if (!fs::exists(places_of(number).record(), failure)) {
    fs::remove_all(datastore() / *name, failure);
    fs::remove_all(places_of(number).state, failure);
  } else {
    fs::remove(making_mark(places_of(number)), failure);
  }
}

void Host::watch(const std::stop_token& stop) {
  SystemClock clock;
  while (clock.sleep(watch_interval, stop)) {
    for (const auto& machine : machines()) machine->look_after();
  }
}

Result<std::shared_ptr<Machine>> Host::add(const MachineSpec& spec) {
  return add_made(spec.name, [&](int number) { return make_machine(spec, number); });
}

Result<std::shared_ptr<Machine>> Host::create(const MachineRecord& hardware) {
  return add_made(hardware.name, [&](int number) { return make_empty_machine(hardware, number); });
}

Result<std::shared_ptr<Machine>> Host::add_made(const std::string& name, const Maker& make) {
  const std::lock_guard lock(adding_);
  TRY(check_name(name));
  std::error_code absent;
  if (find_by_name(name) || fs::exists(datastore() / name, absent)) {
    return error(ErrorCode::already_exists, "there is a machine {} already, or its files are", name);
  }
  const int number = ++last_number_;
  TRY(make_directories(places_of(number).state));
  TRY(write_file_atomically(making_mark(places_of(number)), name));
  auto made = make(number);
  if (!made.ok()) {
    fs::remove_all(datastore() / name, absent);
    fs::remove_all(places_of(number).state, absent);
    return std::move(made).error().context("making {}", name);
  }
  TRY(remove_file(making_mark(places_of(number))));
  {
    const std::lock_guard list_lock(mutex_);
    machines_[number] = *made;
  }
  changes_.raise();
  return made;
}

// It is listed only when it is complete and, if wanted, runs.
Result<std::shared_ptr<Machine>> Host::make_machine(const MachineSpec& spec, int number) {
  MachineRecord record = TRY(new_record(spec, number));
  const MachinePlaces places = places_of(number);
  TRY(fill_disks(spec, record, places));
  std::shared_ptr<Machine> machine =
      TRY(Machine::create(std::move(record), places, [this] { changes_.raise(); }));
  const Result<> started = spec.start ? machine->power_on() : Result<>();
  if (started.ok()) return machine;
  machine->kill();
  return started.error();
}

Result<std::shared_ptr<Machine>> Host::make_empty_machine(MachineRecord record, int number) {
  for (const auto& machine : machines()) {
    if (record.instance_uuid.empty() || machine->record().instance_uuid != record.instance_uuid) continue;
    return error(ErrorCode::failed_precondition, "the machine {} has the instance UUID {}",
                 machine->record().name, record.instance_uuid);
  }
  const MachinePlaces places = places_of(number);
  SystemRandom random;
  record.number = number;
  name_anew(record, random);
  record.host_port = port_of(record.mac);
  TRY(make_directories(places.home(record)));
  TRY(make_empty_disks(record, places));
  if (record.firmware == "uefi") TRY(copy_sparse(ovmf_variables, places.nvram(record)));
  return TRY(Machine::create(std::move(record), places, [this] { changes_.raise(); }));
}

// As a DHCP server that knows the card: who comes back with it is found where it was. 0: it was never seen.
int Host::port_of(const std::string& mac) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, machine] : machines_) {
    const MachineRecord record = machine->record();
    if (record.mac == mac) return record.host_port;
  }
  const auto removed = ports_of_removed_.find(mac);
  return removed == ports_of_removed_.end() ? 0 : removed->second;
}

std::vector<std::shared_ptr<Machine>> Host::machines() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Machine>> list;
  for (const auto& [number, machine] : machines_) list.push_back(machine);
  return list;
}

std::shared_ptr<Machine> Host::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(machines_.begin(), machines_.end(),
                                  [&](const auto& entry) { return std::to_string(entry.first) == id; });
  return found == machines_.end() ? nullptr : found->second;
}

std::shared_ptr<Machine> Host::find_by_name(const std::string& name) const {
  for (const auto& machine : machines()) {
    if (machine->record().name == name) return machine;
  }
  return nullptr;
}

Result<> Host::remove(const std::string& id, bool destroy) {
  const std::shared_ptr<Machine> machine = find(id);
  if (!machine) return error(ErrorCode::not_found, "there is no machine {}", id);
  if (destroy && !machine->record().open_disks.empty()) {
    return error(ErrorCode::unavailable, "a disk of {} is open for writing by another program",
                 machine->record().name);
  }
  {
    const std::lock_guard lock(mutex_);
    const MachineRecord gone = machine->record();
    ports_of_removed_[gone.mac] = gone.host_port;
    machines_.erase(gone.number);
  }
  changes_.raise();
  if (destroy) return machine->destroy();
  return remove_file(machine->places().record());
}

// Marked first: a server that starts while they die must not call it a restart.
Result<> Host::strike() {
  TRY(write_file_atomically(lost_mark(directory_), "killed by a disaster\n"));
  for (const auto& machine : machines()) machine->kill();
  return {};
}

Result<> Host::revive(const fs::path& directory) {
  return remove_file(lost_mark(directory));
}

}  // namespace rekindle::sandbox
