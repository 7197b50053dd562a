#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using EbsDirectTest = RegionTest;

TEST_F(EbsDirectTest, GivesBackTheBlocksThatWerePut) {
  const auto seen = boto(R"(
started = ebs.start_snapshot(VolumeSize=1, Description='first', Tags=[{'Key': 'a', 'Value': 'b'}])
s = started['SnapshotId']
before = ec2.describe_snapshots(SnapshotIds=[s])['Snapshots'][0]
answer = put(s, 5, block('five')); put(s, 2, block('two'))
finished = ebs.complete_snapshot(SnapshotId=s, ChangedBlocksCount=2)
completed(s)
after = ec2.describe_snapshots(SnapshotIds=[s])['Snapshots'][0]
listed = ebs.list_snapshot_blocks(SnapshotId=s)
token = listed['Blocks'][1]['BlockToken']
got = ebs.get_snapshot_block(SnapshotId=s, BlockIndex=5, BlockToken=token)
data = got['BlockData'].read()
done(start=started['ResponseMetadata']['HTTPStatusCode'], put=answer['ResponseMetadata']['HTTPStatusCode'],
     complete=[finished['ResponseMetadata']['HTTPStatusCode'], finished['Status']], size=started['BlockSize'],
     states=[before['State'], after['State'], after['Progress']], tags=after['Tags'], volume=after['VolumeId'],
     indexes=[b['BlockIndex'] for b in listed['Blocks']], same=data == block('five'),
     checked=got['Checksum'] == checksum(data), length=got['DataLength'], expires=listed['ExpiryTime'].timestamp() > time.time() + 6 * 86400)
)");
  EXPECT_EQ(seen["start"], 201);
  EXPECT_EQ(seen["put"], 201);
  EXPECT_EQ(seen["complete"], (nlohmann::json::array({202, "pending"})));
  EXPECT_EQ(seen["size"], 524288);
  EXPECT_EQ(seen["states"], (nlohmann::json::array({"pending", "completed", "100%"})));
  EXPECT_EQ(seen["tags"][0]["Value"], "b");
  EXPECT_EQ(seen["volume"], "vol-ffffffff");
  EXPECT_EQ(seen["indexes"], (nlohmann::json::array({2, 5})));
  EXPECT_TRUE(seen["same"]);
  EXPECT_TRUE(seen["checked"]);
  EXPECT_EQ(seen["length"], 524288);
  EXPECT_TRUE(seen["expires"]);
}

TEST_F(EbsDirectTest, AChildInheritsWhatItDoesNotReplace) {
  const auto seen = boto(R"(
a = make_snapshot({0: block('a0'), 1: block('a1')})
b = make_snapshot({1: block('b1'), 2: block('b2')}, ParentSnapshotId=a)
c = make_snapshot({3: block('c3')}, ParentSnapshotId=b)
got = content(c)
ec2.delete_snapshot(SnapshotId=a); ec2.delete_snapshot(SnapshotId=b)
done(all=got == {0: block('a0'), 1: block('b1'), 2: block('b2'), 3: block('c3')}, survives=content(c) == got,
     gone=refused(ebs.list_snapshot_blocks, SnapshotId=a))
)");
  EXPECT_TRUE(seen["all"]);
  EXPECT_TRUE(seen["survives"]) << "deleting the parents must not harm the child";
  EXPECT_EQ(seen["gone"], refusal("ResourceNotFoundException", 404));
}

TEST_F(EbsDirectTest, ListsTheChangesBetweenRelatives) {
  const auto seen = boto(R"(
a = make_snapshot({0: block('a0'), 1: block('a1')})
b = make_snapshot({1: block('b1'), 2: block('b2')}, ParentSnapshotId=a)
c = make_snapshot({0: block('c0')}, ParentSnapshotId=a)
x = make_snapshot({0: block('x')})
def changes(first, second):
    return [[k['BlockIndex'], 'FirstBlockToken' in k, 'SecondBlockToken' in k] for k in ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)['ChangedBlocks']]
change = ebs.list_changed_blocks(FirstSnapshotId=a, SecondSnapshotId=b)['ChangedBlocks'][0]
done(forward=changes(a, b), back=changes(b, a), siblings=changes(b, c), same=changes(a, a),
     unrelated=[refused(ebs.list_changed_blocks, FirstSnapshotId=a, SecondSnapshotId=x), reason(ebs.list_changed_blocks, FirstSnapshotId=a, SecondSnapshotId=x)],
     readable=[read_block(a, 1, change['FirstBlockToken']) == block('a1'), read_block(b, 1, change['SecondBlockToken']) == block('b1')],
     alone=[k['BlockIndex'] for k in ebs.list_changed_blocks(SecondSnapshotId=b)['ChangedBlocks']])
)");
  EXPECT_EQ(seen["forward"], nlohmann::json::parse("[[1,true,true],[2,false,true]]"));
  EXPECT_EQ(seen["back"], nlohmann::json::parse("[[1,true,true],[2,true,false]]"));
  EXPECT_EQ(seen["siblings"], nlohmann::json::parse("[[0,true,true],[1,true,true],[2,true,false]]"));
  EXPECT_EQ(seen["same"], nlohmann::json::array());
  EXPECT_EQ(seen["unrelated"],
            nlohmann::json::parse(R"([["ValidationException",400],"UNRELATED_SNAPSHOTS"])"));
  EXPECT_EQ(seen["readable"], (nlohmann::json::array({true, true})));
  EXPECT_EQ(seen["alone"], (nlohmann::json::array({0, 1, 2})));
}

TEST_F(EbsDirectTest, RefusesBlocksThatAreNotWhatTheySay) {
  const auto seen = boto(R"(
s = ebs.start_snapshot(VolumeSize=1)['SnapshotId']
data = block('x')
def refusal(index, body, **changed):
    try: put(s, index, body, **changed)
    except ClientError as error: return [error.response['Error']['Code'], error.response.get('Reason')]
wrong = refusal(0, data, Checksum=checksum(b'other'))
short = refusal(0, data[:4096])
beyond = refusal(2048, data)
last = put(s, 2047, data)['ResponseMetadata']['HTTPStatusCode']
count = refused(ebs.complete_snapshot, SnapshotId=s, ChangedBlocksCount=2)
ebs.complete_snapshot(SnapshotId=s, ChangedBlocksCount=1); completed(s)
late = refusal(1, data)
done(wrong=wrong, short=short, beyond=beyond, last=last, count=count, late=late,
     unknown=refused(put, snapshot='snap-0123456789abcdef0', index=0, data=data), stored=list(content(s)))
)");
  const auto invalid_block = nlohmann::json::array({"ValidationException", "INVALID_BLOCK"});
  EXPECT_EQ(seen["wrong"], invalid_block);
  EXPECT_EQ(seen["short"], invalid_block);
  EXPECT_EQ(seen["beyond"], invalid_block);
  EXPECT_EQ(seen["last"], 201);
  EXPECT_EQ(seen["count"], refusal("ValidationException", 400));
  EXPECT_EQ(seen["late"], (nlohmann::json::array({"ValidationException", "INVALID_SNAPSHOT_ID"})));
  EXPECT_EQ(seen["unknown"], refusal("ResourceNotFoundException", 404));
  EXPECT_EQ(seen["stored"], nlohmann::json::array({2047})) << "a refused block leaves nothing";
}

TEST_F(EbsDirectTest, ChecksTheLinearChecksumAlsoAfterARestart) {
  const auto id = boto(R"(
s = ebs.start_snapshot(VolumeSize=1)['SnapshotId']
put(s, 9, block('nine')); put(s, 4, block('old')); put(s, 4, block('four'))
done(id=s))")["id"]
                      .get<std::string>();
  start();
  const auto seen = boto("s = '" + id + "'\n" + R"(
linear = base64.b64encode(digest(digest(block('four')) + digest(block('nine')))).decode()
arguments = dict(SnapshotId=s, ChangedBlocksCount=2, ChecksumAlgorithm='SHA256', ChecksumAggregationMethod='LINEAR')
wrong = refused(ebs.complete_snapshot, Checksum=checksum(b'x'), **arguments)
done(wrong=wrong, right=ebs.complete_snapshot(Checksum=linear, **arguments)['Status'], same=content(completed(s)) == {4: block('four'), 9: block('nine')})
)");
  EXPECT_EQ(seen["wrong"], refusal("ValidationException", 400));
  EXPECT_EQ(seen["right"], "pending");
  EXPECT_TRUE(seen["same"]);
}

TEST_F(EbsDirectTest, RefusesTokensThatAreForeignOrOld) {
  options.block_token_life = std::chrono::milliseconds(1500);
  start();
  const auto seen = boto(R"(
s, other = make_snapshot({0: block('a'), 1: block('b')}), make_snapshot({0: block('c')})
token = ebs.list_snapshot_blocks(SnapshotId=s)['Blocks'][0]['BlockToken']
fresh = read_block(s, 0, token) == block('a')
foreign = [reason(ebs.get_snapshot_block, SnapshotId=i, BlockIndex=n, BlockToken=t) for i, n, t in [(s, 1, token), (other, 0, token), (s, 0, token[:-4] + 'AAAA')]]
page = reason(ebs.list_snapshot_blocks, SnapshotId=s, NextToken=token)
time.sleep(1.6)
done(fresh=fresh, foreign=foreign, page=page, old=reason(ebs.get_snapshot_block, SnapshotId=s, BlockIndex=0, BlockToken=token))
)");
  EXPECT_TRUE(seen["fresh"]);
  for (const auto& reason : seen["foreign"]) EXPECT_EQ(reason, "INVALID_BLOCK_TOKEN");
  EXPECT_EQ(seen["page"], "INVALID_PAGE_TOKEN");
  EXPECT_EQ(seen["old"], "INVALID_BLOCK_TOKEN");
}

TEST_F(EbsDirectTest, PagesListsInAscendingOrder) {
  const auto seen = boto(R"(
s = make_snapshot({i * 3: block('x') for i in range(250)})
child = make_snapshot({i * 3: block('y') for i in range(150)}, ParentSnapshotId=s)
def pages(call, key, **arguments):
    sizes, indexes, token = [], [], None
    while True:
        page = call(MaxResults=100, **arguments, **({'NextToken': token} if token else {}))
        sizes.append(len(page[key])); indexes += [b['BlockIndex'] for b in page[key]]; token = page.get('NextToken')
        if not token: return [sizes, indexes]
blocks, changed = pages(ebs.list_snapshot_blocks, 'Blocks', SnapshotId=s), pages(ebs.list_changed_blocks, 'ChangedBlocks', FirstSnapshotId=s, SecondSnapshotId=child)
done(blocks=blocks[0], complete=blocks[1] == [i * 3 for i in range(250)], changed=changed[0], changes=changed[1] == [i * 3 for i in range(150)],
     start=ebs.list_snapshot_blocks(SnapshotId=s, StartingBlockIndex=740)['Blocks'][0]['BlockIndex'])
)");
  EXPECT_EQ(seen["blocks"], (nlohmann::json::array({100, 100, 50})));
  EXPECT_TRUE(seen["complete"]);
  EXPECT_EQ(seen["changed"], (nlohmann::json::array({100, 50})));
  EXPECT_TRUE(seen["changes"]);
  EXPECT_EQ(seen["start"], 741);
}

TEST_F(EbsDirectTest, AClientTokenMakesOneSnapshot) {
  const auto seen = boto(R"(
first = ebs.start_snapshot(VolumeSize=1, ClientToken='t1')['SnapshotId']
again = ebs.start_snapshot(VolumeSize=1, ClientToken='t1')['SnapshotId']
done(same=first == again, other=refused(ebs.start_snapshot, VolumeSize=2, ClientToken='t1'), count=len(ec2.describe_snapshots(OwnerIds=['self'])['Snapshots']))
)");
  EXPECT_TRUE(seen["same"]);
  EXPECT_EQ(seen["other"], refusal("ConflictException", 409));
  EXPECT_EQ(seen["count"], 1);
}

TEST_F(EbsDirectTest, KeepsTheRulesOfStartSnapshot) {
  options.pending_snapshots = 2;
  options.timeout_minute = std::chrono::milliseconds(50);
  start();
  const auto seen = boto(R"(
parent = make_snapshot({0: block('a')}, size=2)
encrypted = refused(ebs.start_snapshot, VolumeSize=2, ParentSnapshotId=parent, Encrypted=True)
smaller = reason(ebs.start_snapshot, VolumeSize=1, ParentSnapshotId=parent)
unknown = refused(ebs.start_snapshot, VolumeSize=1, ParentSnapshotId='snap-0123456789abcdef0')
a, b = [ebs.start_snapshot(VolumeSize=1, Timeout=10)['SnapshotId'] for _ in range(2)]
unread = refused(ebs.list_snapshot_blocks, SnapshotId=a)
quota = refused(ebs.start_snapshot, VolumeSize=1)
volume = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId']
until(lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
of_volume = refused(ec2.create_snapshot, VolumeId=volume)
def it_is_an_error(): return ec2.describe_snapshots(SnapshotIds=[a])['Snapshots'][0]['State'] == 'error'
until(it_is_an_error)
done(encrypted=encrypted, smaller=smaller, unknown=unknown, quota=quota, of_volume=of_volume, unread=unread, late=reason(put, snapshot=a, index=0, data=block('x')))
)");
  EXPECT_EQ(seen["encrypted"], refusal("ValidationException", 400));
  EXPECT_EQ(seen["smaller"], "INVALID_VOLUME_SIZE");
  EXPECT_EQ(seen["unknown"], refusal("ResourceNotFoundException", 404));
  EXPECT_EQ(seen["unread"], refusal("ValidationException", 400));
  EXPECT_EQ(seen["quota"], refusal("ServiceQuotaExceededException", 402));
  EXPECT_EQ(seen["of_volume"], refusal("PendingSnapshotLimitExceeded", 400));
  EXPECT_EQ(seen["late"], "WRITE_REQUEST_TIMEOUT");
}

}  // namespace
}  // namespace rekindle::sandbox
