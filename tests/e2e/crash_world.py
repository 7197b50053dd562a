"""A protected machine whose jobs are killed at their crash points, and what must be true of it then: what the crash
tests share."""

import signal

from scene import Scene, http_get


def crash_points(kind, steps, finer):
    """In the order in which a job passes them."""
    points = [f"{kind}/created"]
    for step in steps:
        own = [f"{kind}/{step}/{place}" for place in finer.get(step, [])]
        points += [f"{kind}/{step}/before", *own, f"{kind}/{step}/done", f"{kind}/{step}/saved"]
    return points


BACKUP = crash_points("backup", ["prepare", "snapshot", "read", "record", "remove_snapshot"],
                      {"snapshot": ["intended", "made"], "read": ["written", "committed"]})
REPLICATE = crash_points("replicate", ["choose", "convert", "start_images", "write", "verify", "register", "switch",
                                       "remove_old"],
                         {"start_images": ["intended", "made"], "write": ["window", "put", "completed"]})
FAILOVER = crash_points("failover", ["check", "convert", "register", "launch", "wait_running", "adjust",
                                     "wait_service", "record", "tidy"],
                        {step: ["intended", "made"] for step in ("convert", "register", "launch")})
CLEANUP = crash_points("failover_cleanup", ["release", "terminate"], {})
INSTANCE_BACKUP = crash_points("instance_backup", ["prepare", "snapshot", "read", "record", "remove_old"],
                               {"snapshot": ["intended", "made"], "read": ["written", "committed"]})

START = ("failover", "start", "dr", "--test")
COMMANDS = {"backup": ("backup", "run", "web"), "replicate": ("replicate", "run", "dr"), "failover": START,
            "plan_failover": START, "failover_cleanup": ("failover", "clean-up", "dr")}


def lives(resource):
    return resource["state"] not in ("terminated", "shutting-down")


class World:
    """A protected machine, and what must be true of it."""

    def __init__(self, test, scene):
        self.test = test
        self.scene = scene
        self.seed = 0
        self.commands = dict(COMMANDS)  # how a user asks for each kind of job

    def set_up(self, **plan):
        scene = self.scene
        scene.add_datacenter()
        scene.add_account()
        scene.run("vault", "create", "main", "--directory", scene.vault)
        scene.run("policy", "create", "all", "--datacenter", "home", "--vault", "main", "--machine", scene.machine)
        scene.create_plan(health_check="", **plan)
        scene.back_up()
        scene.replicate()
        self.check()

    def write(self):
        """The guest changes a little, so that there is something to move."""
        self.seed += 1
        http_get(self.scene.source_url(f"/scatter?mib=1&seed={self.seed}"), timeout=60)

    # Killing, and coming back.

    def kill(self, point):
        """Runs the command that passes the point; it must die there."""
        before = {job["id"] for job in self.scene.json("job", "list")}
        status, _, err = self.scene.run(*self.commands[point.split("/")[0]], env={"REKINDLE_KILL_AT": point}, check=False)
        self.test.assertEqual(status, -signal.SIGKILL, f"{point} was not reached: {err}")
        self.check_copy()
        self.check_once()
        kind = point.split("/")[0]
        (job,) = [one for one in self.scene.json("job", "list") if one["id"] not in before and one["kind"] == kind]
        return job["id"]

    def come_back(self, kind, by_next_command):
        if by_next_command:
            self.scene.run(*self.commands[kind])
        else:
            self.scene.run("job", "resume")

    def kill_and_come_back(self, point, by_next_command, state="succeeded"):
        kind = point.split("/")[0]
        with self.test.subTest(point=point, by_next_command=by_next_command):
            job = self.kill(point)
            self.come_back(kind, by_next_command)
            self.check_job(job, state)
            self.check()

    # What must be true.

    def check_job(self, job, state):
        body = self.scene.json("job", "show", job)
        self.test.assertEqual(body["state"], state, body["error"])
        if state == "failed":
            self.test.assertTrue(body["error"], "a failed job says why")
        self.test.assertNotIn("left_behind", body["data"])

    def check(self):
        """Nothing is unfinished, and the sites hold what the catalog lists: no more, no less."""
        self.test.assertEqual(self.unfinished(), [])
        self.test.assertEqual(self.scene.machine_snapshots(), [])
        self.check_copy()
        self.check_once()
        inventory = self.scene.inventory()
        listed = [disk["image_id"] for copy in self.scene.json("replicate", "list") for disk in copy["disks"]]
        self.test.assertEqual(sorted(one["id"] for one in inventory["snapshots"]), sorted(listed))
        templates = [copy["template_id"] for copy in self.scene.json("replicate", "list") if copy["template_id"]]
        self.test.assertEqual([one["id"] for one in inventory["images"]], templates)
        running = sorted(one["instance_id"] for one in self.failovers())
        self.test.assertEqual(sorted(one["id"] for one in inventory["instances"] if lives(one)), running)
        holders = sorted(one["attachment"]["instance_id"] for one in inventory["volumes"])
        self.test.assertEqual(holders, running, "one volume each, of an instance that runs")

    def check_copy(self):
        """There is one current DR copy at any instant, and it is whole."""
        (current,) = [copy for copy in self.scene.json("replicate", "list") if copy["state"] == "current"]
        complete = {one["id"] for one in self.scene.inventory()["snapshots"] if one["state"] == "completed"}
        for disk in current["disks"]:
            self.test.assertIn(disk["image_id"], complete)

    def check_once(self):
        """A job makes a thing once. The region shows terminated instances for an hour."""
        inventory = self.scene.inventory()
        for kind in ("snapshots", "images", "instances", "volumes"):
            jobs = [one["tags"].get("rekindle:job") for one in inventory[kind]]
            self.test.assertNotIn(None, jobs, f"every one of {kind} says whose it is")
            self.test.assertEqual(len(jobs), len(set(jobs)), f"one of {kind} for each job")

    def unfinished(self):
        over = ("succeeded", "failed", "cancelled")
        return [job for job in self.scene.json("job", "list") if job["state"] not in over]

    def failovers(self):
        return [one for one in self.scene.json("failover", "list") if one["state"] == "running"]

    def end_failovers(self):
        self.scene.run(*self.commands["failover_cleanup"])
        self.check()
        self.test.assertEqual(self.failovers(), [])


def world_of(test, **plan):
    """Lasts until the test ends."""
    world = World(test, test.enterContext(Scene("bios")))
    world.set_up(**plan)
    return world
