#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using NetworkTest = RegionTest;
using nlohmann::json;

TEST_F(NetworkTest, AVpcHasWhatAwsGivesEveryVpc) {
  const auto seen = boto(R"(
vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
other = ec2.create_vpc(CidrBlock='10.1.0.0/16')['Vpc']['VpcId']
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock='10.0.1.0/24')['Subnet']['SubnetId']
of = [{'Name': 'vpc-id', 'Values': [vpc]}]
acls = ec2.describe_network_acls(Filters=of + [{'Name': 'default', 'Values': ['true']}])['NetworkAcls']
tables = ec2.describe_route_tables(Filters=of + [{'Name': 'association.main', 'Values': ['true']}])['RouteTables']
group = ec2.describe_security_groups(Filters=of + [{'Name': 'group-name', 'Values': ['default']}])['SecurityGroups'][0]
def attribute(name): return [v for k, v in ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name).items() if k.startswith('Enable')][0]['Value']
before = [attribute('enableDnsSupport'), attribute('enableDnsHostnames')]
ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={'Value': True})
public = ec2.describe_subnets(SubnetIds=[subnet])['Subnets'][0]['MapPublicIpOnLaunch']
ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={'Value': True})
done(acls=[[a['IsDefault'], len(a['Entries']), [s['SubnetId'] == subnet for s in a['Associations']]] for a in acls],
     tables=[[t['VpcId'] == vpc, t['Associations'][0]['Main'], t['Routes'][0]['DestinationCidrBlock']] for t in tables],
     all=len(ec2.describe_route_tables()['RouteTables']), before=before, after=[attribute('enableDnsSupport'), attribute('enableDnsHostnames')],
     public=[public, ec2.describe_subnets(SubnetIds=[subnet])['Subnets'][0]['MapPublicIpOnLaunch']],
     default=[group['IpPermissions'][0]['UserIdGroupPairs'][0]['GroupId'] == group['GroupId'], group['IpPermissionsEgress'][0]['IpRanges']],
     wrong=refused(ec2.modify_vpc_attribute, VpcId=vpc))
)");
  EXPECT_EQ(seen["acls"], json::parse("[[true, 4, [true]]]"));
  EXPECT_EQ(seen["tables"], json::parse(R"([[true, true, "10.0.0.0/16"]])"));
  EXPECT_EQ(seen["all"], 2);
  EXPECT_EQ(seen["before"], json::parse("[true, false]"));
  EXPECT_EQ(seen["after"], json::parse("[true, true]"));
  EXPECT_EQ(seen["public"], json::parse("[false, true]"));
  EXPECT_EQ(seen["default"], json::parse(R"([true, [{"CidrIp": "0.0.0.0/0"}]])"));
  EXPECT_EQ(seen["wrong"], refusal("InvalidParameterCombination", 400));
}

TEST_F(NetworkTest, RulesOfAGroupAreGivenTakenAndShownAsPermissions) {
  const auto seen = boto(R"(
vpc = ec2.create_vpc(CidrBlock='10.0.0.0/16')['Vpc']['VpcId']
id = ec2.create_security_group(GroupName='web', Description='d', VpcId=vpc)['GroupId']
def group(): return ec2.describe_security_groups(GroupIds=[id])['SecurityGroups'][0]
def plain(permissions): return [[p['IpProtocol'], p.get('FromPort'), [r['CidrIp'] for r in p['IpRanges']], [r['CidrIpv6'] for r in p['Ipv6Ranges']],
    len(p['UserIdGroupPairs'])] for p in permissions]
new = plain(group()['IpPermissionsEgress'])
http = dict(IpProtocol='tcp', FromPort=80, ToPort=80)
ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=[dict(http, IpRanges=[{'CidrIp': '10.0.0.0/8', 'Description': 'us'}],
    Ipv6Ranges=[{'CidrIpv6': '::/0'}], UserIdGroupPairs=[{'GroupId': id}])])
ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=[dict(http, IpRanges=[{'CidrIp': '192.168.0.0/16'}])])
given = group()['IpPermissions']
twice = refused(ec2.authorize_security_group_ingress, GroupId=id, IpPermissions=[dict(http, IpRanges=[{'CidrIp': '10.0.0.0/8'}])])
ec2.revoke_security_group_ingress(GroupId=id, IpPermissions=[dict(http, IpRanges=[{'CidrIp': '10.0.0.0/8'}], UserIdGroupPairs=[{'GroupId': id}])])
ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[{'IpProtocol': '-1', 'FromPort': 0, 'ToPort': 0, 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])
absent = refused(ec2.revoke_security_group_egress, GroupId=id, IpPermissions=[{'IpProtocol': '-1', 'IpRanges': [{'CidrIp': '0.0.0.0/0'}]}])
ec2.authorize_security_group_egress(GroupId=id, IpPermissions=[{'IpProtocol': '17', 'FromPort': 53, 'ToPort': 53, 'IpRanges': [{'CidrIp': '10.0.0.2/32'}]}])
done(new=new, given=plain(given), told=given[0]['IpRanges'][0]['Description'], twice=twice, absent=absent, left=[plain(group()['IpPermissions']), plain(group()['IpPermissionsEgress'])])
)");
  EXPECT_EQ(seen["new"], json::parse(R"([["-1", null, ["0.0.0.0/0"], [], 0]])"));
  EXPECT_EQ(seen["given"], json::parse(R"([["tcp", 80, ["10.0.0.0/8", "192.168.0.0/16"], ["::/0"], 1]])"));
  EXPECT_EQ(seen["told"], "us");
  EXPECT_EQ(seen["twice"], refusal("InvalidPermission.Duplicate", 400));
  EXPECT_EQ(seen["absent"], refusal("InvalidPermission.NotFound", 400));
  EXPECT_EQ(seen["left"], json::parse(R"([[["tcp", 80, ["192.168.0.0/16"], ["::/0"], 0]],
      [["udp", 53, ["10.0.0.2/32"], [], 0]]])"));
}

}  // namespace
}  // namespace rekindle::sandbox
