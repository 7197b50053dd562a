#include "sandbox/datacenter/qemu_machine.h"

namespace rekindle::sandbox {

namespace {

// A comma ends an option of QEMU; two stand for one.
std::string escaped(const std::filesystem::path& path) {
  std::string text;
  for (const char c : path.string()) {
    text += c;
    if (c == ',') text += ',';
  }
  return text;
}

// No flush of the host's cache: this datacenter may lose a power cut, not a crash of its programs.
constexpr auto disk_options = ",cache.no-flush=on,discard=unmap";

void add_disk(const MachineRecord& record, const MachinePlaces& places, const DiskRecord& disk,
              std::vector<std::string>& arguments) {
  const int unit = disk.unit();
  std::string top = fmt::format("disk{}-base", unit);
  arguments.insert(arguments.end(),
                   {"-blockdev", fmt::format("driver=raw,node-name={},file.driver=file,file.filename={}{}",
                                             top, escaped(places.flat(record, unit)), disk_options)});
  for (const int delta : record.deltas) {
    const std::string node = fmt::format("disk{}-delta{}", unit, delta);
    arguments.insert(arguments.end(),
                     {"-blockdev", fmt::format("driver=qcow2,node-name={},file.driver=file,"
                                               "file.filename={},backing={}{}",
                                               node, escaped(places.delta(unit, delta)), top, disk_options)});
    top = node;
  }
  std::string device;
  if (record.disk_controller == "ahci") {
    device = fmt::format("ide-hd,bus=disks.{}", unit);
  } else {
    device = fmt::format("scsi-hd,bus=disks.0,scsi-id={}", unit);
  }
  arguments.insert(arguments.end(),
                   {"-device", fmt::format("{},id=disk{},drive={},bootindex={}", device, unit, top, unit)});
}

std::string network_of(const MachineRecord& record) {
  std::string network = "user,id=net0,restrict=on";
  if (record.is_reachable())
    network += fmt::format(",hostfwd=tcp:127.0.0.1:{}-:{}", record.host_port, record.http_port);
  return network;
}

}  // namespace

// The PCI addresses are those of VMware's virtual hardware: a guest names its NIC after slot 0x13.
std::vector<std::string> qemu_arguments(const MachineRecord& record, const MachinePlaces& places) {
  std::vector<std::string> arguments = {"qemu-system-x86_64",
                                        "-name",
                                        record.name,
                                        "-S",
                                        "-no-shutdown",
                                        "-nodefaults",
                                        "-display",
                                        "none",
                                        "-m",
                                        std::to_string(record.memory_mib),
                                        "-smp",
                                        std::to_string(record.vcpus),
                                        "-uuid",
                                        record.uuid};
  if (record.firmware == "uefi") {
    arguments.insert(
        arguments.end(),
        {"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive",
         "if=pflash,unit=1,format=raw,file=" + escaped(places.nvram(record))});
  }
  const char* controller = record.disk_controller == "ahci" ? "ich9-ahci" : "pvscsi";
  arguments.insert(arguments.end(), {"-device", fmt::format("{},id=disks,addr=0x10", controller)});
  for (const DiskRecord& disk : record.disks) add_disk(record, places, disk, arguments);
  arguments.insert(arguments.end(), {"-netdev", network_of(record), "-device",
                                     fmt::format("vmxnet3,netdev=net0,mac={},addr=0x13,romfile=", record.mac),
                                     "-serial", "file:" + escaped(places.serial()), "-qmp",
                                     fmt::format("unix:{},server=on,wait=off", escaped(places.monitor()))});
  return arguments;
}

}  // namespace rekindle::sandbox
