# Starts guests on QEMU as VMware hardware. Sourced by the scripts here.
vm_pid=''

# vm_stop: ends the machine as a power failure would.
vm_stop() {
  [ -z "$vm_pid" ] || { kill -9 "$vm_pid" 2>/dev/null; wait "$vm_pid" 2>/dev/null; } || true
  vm_pid=''
}

# vm_hardware FOLDER: the QEMU arguments for the machine that FOLDER/guest.json describes.
vm_hardware() {
  local json=$1/guest.json memory vcpus firmware controller
  memory=$(jq .memory_mib "$json") vcpus=$(jq .vcpus "$json")
  firmware=$(jq -r .firmware "$json") controller=$(jq -r .disk_controller "$json")
  vm_arguments=(-m "$memory" -smp "$vcpus" -nodefaults -display none -no-reboot)
  [ "$firmware" = bios ] ||
    vm_arguments+=(-drive if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
      -drive if=pflash,unit=1,format=raw,snapshot=on,file=/usr/share/OVMF/OVMF_VARS_4M.fd)
  # VMware's places on the PCI bus: the guest's NIC name comes from slot 0x13.
  case $controller in
    pvscsi)
      vm_arguments+=(-device pvscsi,id=disks,addr=0x10 -device scsi-hd,drive=disk0,bus=disks.0,scsi-id=0)
      [ ! -e "$1/disk1.raw" ] || vm_arguments+=(-device scsi-hd,drive=disk1,bus=disks.0,scsi-id=1) ;;
    ahci) vm_arguments+=(-device ich9-ahci,id=disks,addr=0x10 -device ide-hd,drive=disk0,bus=disks.0) ;;
  esac
  vm_arguments+=(-device vmxnet3,netdev=net0,mac=00:50:56:00:00:01,addr=0x13,romfile=)
}

# vm_overlays FOLDER OVERLAY: makes the disks that take the writes of the guest of FOLDER:
# OVERLAY, and OVERLAY.1 if it has a data disk.
vm_overlays() {
  qemu-img create -q -f qcow2 -F raw -b "$1/disk.raw" "$2"
  [ ! -e "$1/disk1.raw" ] || qemu-img create -q -f qcow2 -F raw -b "$1/disk1.raw" "$2.1"
}

# vm_start FOLDER OVERLAY WORK: starts the guest of FOLDER with its writes in OVERLAY.
# Sets vm_pid and vm_url; WORK/{serial,qmp,qemu.log} are its console, monitor and messages.
vm_start() {
  local folder=$1 overlay=$2 work=$3 accel port
  read -ra accel <<<"$("$here/probe-accel")"
  vm_hardware "$folder"
  local options=format=qcow2,cache=unsafe,discard=unmap
  vm_arguments+=(-drive "if=none,id=disk0,file=$overlay,$options")
  [ ! -e "$folder/disk1.raw" ] || vm_arguments+=(-drive "if=none,id=disk1,file=$overlay.1,$options")
  # QEMU itself finds out whether a port is free; asking before would be a race.
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 12000))
    # The parent-death signal: no machine outlives a test that was killed.
    setpriv --pdeathsig KILL qemu-system-x86_64 "${accel[@]}" -cpu Nehalem "${vm_arguments[@]}" \
      -netdev "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:$port-:80" \
      -serial "file:$work/serial" -qmp "unix:$work/qmp,server=on,wait=off" \
      >"$work/qemu.log" 2>&1 &
    vm_pid=$! vm_url=http://127.0.0.1:$port
    sleep 0.3
    kill -0 "$vm_pid" 2>/dev/null && return
    grep -q 'host forwarding' "$work/qemu.log" || break
  done
  die "QEMU did not start: $(cat "$work/qemu.log")"
}

# vm_wait_ready SECONDS WORK: true when the guest's service answers. False at once when the
# console shows that the boot has failed.
vm_wait_ready() {
  local deadline=$((SECONDS + $1)) work=$2
  while [ $SECONDS -lt $deadline ] && kill -0 "$vm_pid" 2>/dev/null; do
    # A short limit: QEMU accepts the connection long before the guest can answer it.
    [ "$(curl -s -m 0.4 "$vm_url/ready")" != ok ] || return 0
    ! grep -qaE 'ALERT!|Kernel panic|No bootable' "$work/serial" || return 1
    sleep 0.1
  done
  return 1
}

# vm_press_power_button WORK
vm_press_power_button() {
  printf '{"execute":"qmp_capabilities"}\n{"execute":"system_powerdown"}\n' |
    curl -s -m 2 --unix-socket "$1/qmp" telnet://qmp >/dev/null || true
}
