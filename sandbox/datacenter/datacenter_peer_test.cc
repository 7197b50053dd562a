// Clients that nobody here wrote: govc and pyVmomi. They skip loudly where they are not installed.
#include <cstdlib>

#include "sandbox/datacenter/datacenter_fixture.h"

namespace rekindle::sandbox {
namespace {

// In the PATH, or where tools/peers/vcsim puts it.
std::string find_govc() {
  if (const auto found = run_process({"sh", "-c", "command -v govc"});
      found.ok() && found->exit_status == 0) {
    return "govc";
  }
  const auto installed = run_process({"tools/peers/vcsim"});
  if (!installed.ok() || installed->exit_status != 0 || installed->out.empty()) return "";
  return installed->out.substr(0, installed->out.find('\n')) + "/govc";
}

class PeerTest : public DatacenterFixture {
 protected:
  std::string govc(std::vector<std::string> arguments) {
    static const std::string program = find_govc();
    if (program.empty()) return "no govc";
    std::vector<std::string> argv = {
        "env", "GOVC_INSECURE=1",
        fmt::format("GOVC_URL=https://root:secret@127.0.0.1:{}", datacenter_->port()),
        "HOME=" + folder_.path().string(), program};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const auto output = run_process(argv);
    if (!output.ok()) return "no govc";
    EXPECT_EQ(output->exit_status, 0) << fmt::format("{}", fmt::join(arguments, " ")) << ": " << output->err;
    return output->out + output->err;
  }
};

TEST_F(PeerTest, GovcSeesStopsSnapshotsAndStartsAMachine) {
  if (govc({"version"}) == "no govc") GTEST_SKIP() << "govc is not installed; tools/peers/vcsim installs it";
  EXPECT_NE(govc({"about"}).find("6.7.0"), std::string::npos);
  EXPECT_NE(govc({"find", "/", "-type", "m"}).find("/ha-datacenter/vm/web"), std::string::npos);
  EXPECT_NE(govc({"ls", "/ha-datacenter/vm"}).find("web"), std::string::npos);
  EXPECT_NE(govc({"vm.info", "-e", "web"}).find("poweredOn"), std::string::npos);
  EXPECT_NE(govc({"device.info", "-vm", "web"}).find("web.vmdk"), std::string::npos);
  govc({"snapshot.create", "-vm", "web", "-m=false", "before"});
  EXPECT_NE(govc({"snapshot.tree", "-vm", "web"}).find("before"), std::string::npos);
  govc({"snapshot.remove", "-vm", "web", "before"});
  EXPECT_EQ(govc({"snapshot.tree", "-vm", "web"}).find("before"), std::string::npos);
  govc({"vm.power", "-off", "web"});
  EXPECT_EQ(datacenter_->machines()[0].power, "poweredOff");
  govc({"vm.power", "-on", "web"});
  EXPECT_EQ(datacenter_->machines()[0].power, "poweredOn");
}

constexpr auto pyvmomi_program = R"(
import ssl, sys, time
from pyVim.connect import SmartConnect, Disconnect
from pyVmomi import vim
si = SmartConnect(host='127.0.0.1', port=int(sys.argv[1]), user='root', pwd='secret',
                  sslContext=ssl._create_unverified_context())
content = si.RetrieveContent()
view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
vm = view.view[0]
def wait(task):
    while task.info.state not in ('success', 'error'):
        time.sleep(0.05)
    if task.info.state == 'error':
        raise task.info.error
    return task.info
wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=True)))
first = wait(vm.CreateSnapshot_Task('a', 'first', False, False)).result
disk = [d for d in first.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk)][0]
info = wait(first.RemoveSnapshot_Task(False))
second = wait(vm.CreateSnapshot_Task('b', 'second', False, False)).result
changes = vm.QueryChangedDiskAreas(second, disk.key, 0, disk.backing.changeId)
print('machine', vm.name, vm.summary.config.numVirtualDisks, vm.runtime.powerState, vm.config.firmware)
print('entity', info.entity.name)
print('changes', changes.length, len(changes.changedArea))
print('tree', vm.snapshot.rootSnapshotList[0].name, vm.layoutEx.file[0].name)
wait(vm.RemoveAllSnapshots_Task())
try:
    vm.QueryChangedDiskAreas(None, disk.key, 0, disk.backing.changeId)
except vim.fault.FileFault as fault:
    print('fault', fault.file)
Disconnect(si)
)";

TEST_F(PeerTest, PyvmomiTakesBackupsSteps) {
  if (run_process({"/usr/bin/python3", "-c", "import pyVmomi"})->exit_status != 0) {
    GTEST_SKIP() << "pyVmomi is not installed; apt-get install python3-pyvmomi";
  }
  const auto output =
      run_process({"/usr/bin/python3", "-c", pyvmomi_program, std::to_string(datacenter_->port())}).value();
  EXPECT_EQ(output.exit_status, 0) << output.err;
  EXPECT_NE(output.out.find("machine web 1 poweredOn bios\n"), std::string::npos) << output.out;
  EXPECT_NE(output.out.find("entity web\n"), std::string::npos);
  EXPECT_NE(output.out.find(fmt::format("changes {} 0\n", capacity)), std::string::npos);
  EXPECT_NE(output.out.find("tree b [datastore1] web/web.vmx\n"), std::string::npos);
  EXPECT_NE(output.out.find("fault [datastore1] web/web.vmdk\n"), std::string::npos);
}

}  // namespace
}  // namespace rekindle::sandbox
