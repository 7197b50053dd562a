"""./run demo: a running VM dies, lives again in the account, and comes home; with a timeline and measured RPO, RTO and
downtime."""

import argparse
import datetime
import sys
import time

from scene import Scene, build_guest, http_get, ledger_lines, wait_for_http


class Timeline:
    def __init__(self):
        self.begin = time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.begin:6.1f} s]  {text}", flush=True)

    def note(self, text):
        print(f"{'':12}{text}", flush=True)


def mib(count):
    return f"{count / 2**20:.1f} MiB"


def seconds_between(earlier, later):
    return (later - earlier).total_seconds()


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def protect(scene, timeline):
    scene.set_up()
    timeline.say("datacenter, account, vault, policy and plan are registered")
    point = scene.back_up()["data"]["point"]
    timeline.say(f"full backup: {mib(point['bytes_read'])} read, {mib(point['bytes_stored'])} in the vault")
    job = scene.replicate()
    timeline.say(f"first DR copy: {job['data']['blocks_put_0'] / 2:.0f} MiB written, read back and compared")


def update(scene, timeline):
    answer = http_get(scene.source_url("/scatter?mib=50&seed=7"), timeout=60)
    acknowledged = ledger_lines(http_get(scene.source_url("/ledger")))
    timeline.say(f"the machine writes 50 MiB, scattered: {answer.strip()}")
    point = scene.back_up()["data"]["point"]
    timeline.say(f"incremental backup: {mib(point['bytes_read'])} read, {mib(point['bytes_stored'])} added to the vault")
    job = scene.replicate()
    timeline.say(f"DR copy updated: {job['data']['blocks_put_0'] / 2:.0f} MiB of blocks written and verified")
    return point, acknowledged


def show_failover(scene, timeline, job):
    for step in job["timings"]:
        timeline.note(f"{step['step']:<14}{step['milliseconds'] / 1000:7.2f} s")
    for change in job["data"]["conversion"]["changes"]:
        timeline.note(f"conversion: {change}")


def lose_and_recover(scene, timeline, point, acknowledged):
    before = ledger_lines(http_get(scene.source_url("/ledger")))
    lost_at = datetime.datetime.now(datetime.timezone.utc)
    click = time.monotonic()
    scene.strike()
    timeline.say(f"the datacenter is lost; the ledger had {len(before)} lines")
    job = scene.json("job", "show", scene.fail_over()["job_id"])
    rto = time.monotonic() - click
    timeline.say("failed over with one command: rekindle failover start dr")
    show_failover(scene, timeline, job)
    after = ledger_lines(http_get(scene.instance_url("/ledger"), timeout=10))
    status = http_get(scene.instance_url("/status"), timeout=10)
    timeline.say(f"the service answers: {status.strip()}")
    kept = [line for line in after if line[2] == before[-1][2]]
    if after[:len(acknowledged)] != acknowledged or kept != before[:len(kept)]:
        raise SystemExit("the ledger of the failed-over machine is not the one that was backed up")
    timeline.note(f"its ledger holds {len(kept)} of {len(before)} lines: all {len(acknowledged)} that were acknowledged before the "
                  "last backup, none invented; and it goes on")
    print()
    print(f"RPO  {seconds_between(when(point['time']), lost_at):6.1f} s   age of the recovery point at the disaster")
    print(f"RTO  {rto:6.1f} s   from the loss of the datacenter until the service answered")


def come_home(scene, timeline):
    answer = http_get(scene.instance_url("/scatter?mib=50&seed=8"), timeout=120)
    there = ledger_lines(http_get(scene.instance_url("/ledger"), timeout=10))
    timeline.say(f"the machine lives in the account, and writes there: {answer.strip()}")
    scene.start_servers("--revive")
    scene.web = scene.machine_status()
    scene.apply_plan(lambda plan: plan.update(failback={"health_check": scene.source_url("/ready")}))
    timeline.say("the datacenter is back, with the VM as it was lost")
    job = scene.json("failback", "start", "dr")
    data = job["data"]
    timeline.say("home with one command: rekindle failback start dr")
    for number, one in enumerate(data["passes"], 1):
        timeline.note(f"pass {number}: {mib(one['bytes_read'])} read from the account, {mib(one['bytes_written'])} written at home, "
                      f"{one['milliseconds'] / 1000:.1f} s")
    for path in data["passes"][-1]["undone"].get("restored", []):
        timeline.note(f"as before the failover again: {path}")
    wait_for_http(scene.source_url("/ready"))
    home = ledger_lines(http_get(scene.source_url("/ledger")))
    timeline.say(f"the service answers at home: {http_get(scene.source_url('/status')).strip()}")
    if home[:len(there)] != there:
        raise SystemExit("the ledger of the machine that came home is not the one that it wrote in the account")
    timeline.note(f"its ledger holds all {len(there)} lines of both lives, and goes on")
    return data["downtime_ms"] / 1000


def main():
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running, and say how to look at it")
    parser.add_argument("--guest", default="bios", choices=["bios", "uefi", "bios-systemd", "two-disks"],
                        help="which guest (bios)")
    options = parser.parse_args()

    print("Building the guest (the first time takes a minute or two) ...", file=sys.stderr)
    build_guest(options.guest)
    timeline = Timeline()
    with Scene(options.guest, keep=options.keep) as scene:
        timeline.say(f"a VM runs in the local datacenter: {http_get(scene.source_url('/status')).strip()}")
        protect(scene, timeline)
        point, acknowledged = update(scene, timeline)
        lose_and_recover(scene, timeline, point, acknowledged)
        print()
        away = come_home(scene, timeline)
        print(f"\nAWAY {away:6.1f} s   from the order to stop the instance until the service answered at home")
        if options.keep:
            print(f"\nEverything runs on. Look around:\n  export REKINDLE_HOME={scene.home}\n  rekindle failback status dr\n"
                  f"  curl {scene.source_url('/status')}\nEnd it:\n"
                  f"  rekindle sandbox stop --directory {scene.directory} && rm -r {scene.directory}")
        else:
            scene.run("failover", "clean-up", "dr")
            timeline.say("what was kept in the account is given up; instance, volumes and snapshots are gone")


if __name__ == "__main__":
    main()
