"""What a snapshot of the region holds, read past the product with boto3, and what it should hold; and damage to it."""

import hashlib
import json
import os
import subprocess

BLOCK = 512 * 1024
EMPTY = hashlib.sha256(bytes(BLOCK)).hexdigest()
SCRIPT = """
import boto3, hashlib, json, sys
ebs = boto3.client('ebs', endpoint_url=sys.argv[1])
blocks, token = {}, {}
wanted = json.loads(sys.argv[3])
while True:
    page = ebs.list_snapshot_blocks(SnapshotId=sys.argv[2], **token)
    for one in page['Blocks']:
        if wanted is not None and one['BlockIndex'] not in wanted: continue
        data = ebs.get_snapshot_block(SnapshotId=sys.argv[2], BlockIndex=one['BlockIndex'], BlockToken=one['BlockToken'])
        blocks[one['BlockIndex']] = hashlib.sha256(data['BlockData'].read()).hexdigest()
    if not page.get('NextToken'): break
    token = {'NextToken': page['NextToken']}
print(json.dumps(blocks))
"""


# Of a snapshot that exist, or that were written since another one that it is based upon.
LISTING = """
import boto3, json, sys
ebs = boto3.client('ebs', endpoint_url=sys.argv[1])
snapshot, since = sys.argv[2], sys.argv[3:]
indexes, token = [], {}
while True:
    if since: page = ebs.list_changed_blocks(FirstSnapshotId=since[0], SecondSnapshotId=snapshot, **token)
    else: page = ebs.list_snapshot_blocks(SnapshotId=snapshot, **token)
    indexes += [one['BlockIndex'] for one in page['ChangedBlocks' if since else 'Blocks']]
    if not page.get('NextToken'): break
    token = {'NextToken': page['NextToken']}
print(json.dumps(indexes))
"""


def ask_with_boto3(region, script, *arguments):
    done = subprocess.run(["/usr/bin/python3", "-c", script, region["endpoint"], *arguments], check=True,
                          capture_output=True, text=True,
                          env={**os.environ, "AWS_DEFAULT_REGION": region["name"],
                               "AWS_ACCESS_KEY_ID": region["access_key_id"],
                               "AWS_SECRET_ACCESS_KEY": region["secret_access_key"]})
    return json.loads(done.stdout)


def snapshot_digests(region, snapshot, wanted=None):
    """By block index, as text; blocks that do not exist are absent. Only the wanted ones, or all."""
    return ask_with_boto3(region, SCRIPT, snapshot, json.dumps(wanted))


def listed_blocks(region, snapshot, since=None):
    """The indexes of the blocks that a snapshot holds, or of those written since another one."""
    return ask_with_boto3(region, LISTING, snapshot, *([since] if since else []))


def point_digests(scene, point_id, disk_number=0):
    """Of each block of a disk of a recovery point; its first is the boot disk."""
    disk = os.path.join(scene.directory, "restored.raw")
    scene.run("point", "restore", point_id, "--disk", str(disk_number), "--to", disk)
    with open(disk, "rb") as file:
        digests = [hashlib.sha256(block.ljust(BLOCK, b"\0")).hexdigest()
                   for block in iter(lambda: file.read(BLOCK), b"")]
    os.unlink(disk)
    return digests


def digests_of_copy(copy, of_point, disk_number=0):
    """What each block of a disk of the DR copy must be: the recovery point, with the overlay over it where it is the
    boot disk."""
    overlay = {block["index"]: block["sha256"] for block in copy["overlay"]} if disk_number == 0 else {}
    return [overlay.get(index, digest) for index, digest in enumerate(of_point)]


def written_in_vain(listed, old, was, now):
    """Blocks that were written although the copy holds the same as the one before, and no reason for it. What conversion
    changed before is put back where it does not now, also if the guest came to the same by itself: by its journal."""
    overlay = {block["index"] for block in old["overlay"]}
    return [index for index in listed if was[index] == now[index] and index not in overlay]


def differing_blocks(scene, copy, of_point, wanted=None, disk_number=0):
    """Indexes at which a disk's snapshot of the DR copy is not what it must be. Compares the wanted ones, or all."""
    stored = snapshot_digests(scene.sandbox["region"], copy["disks"][disk_number]["image_id"], wanted)
    return [index for index, digest in enumerate(digests_of_copy(copy, of_point, disk_number))
            if wanted is None or index in wanted if stored.get(str(index), EMPTY) != digest]


def damage_block(scene, snapshot):
    """Flips a bit of a block that the snapshot does not have from a parent, in the files of the region. Returns its
    index."""
    (layer,) = [one["layer_id"] for one in scene.inventory()["snapshots"] if one["id"] == snapshot]
    path = os.path.join(scene.directory, "region", "layers", layer + ".qcow2")
    areas = json.loads(subprocess.run(["qemu-img", "map", "--force-share", "--output=json", path], check=True,
                                      capture_output=True, text=True).stdout)
    area = [one for one in areas if one["depth"] == 0 and one["data"] and not one["zero"]][-1]
    with open(path, "r+b") as file:
        file.seek(area["offset"])
        byte = file.read(1)[0]
        file.seek(area["offset"])
        file.write(bytes([byte ^ 1]))
    return area["start"] // BLOCK
