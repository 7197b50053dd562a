// What clients that keep a record of an instance (Terraform) ask for and change beside its state.
#include "sandbox/region/block_holder.h"
#include "sandbox/region/machine.h"
#include "sandbox/region/region_fixture.h"

namespace rekindle::sandbox {
namespace {

using nlohmann::json;

class InstanceOptionsTest : public RegionWithNetworkTest {
 protected:
  json script(const std::string& text) {
    return boto("subnet, group, vpc = '" + network.subnet_id + "', '" + network.security_group_id + "', '" +
                network.vpc_id + "'\n" + R"(
def image(): return image_of(make_snapshot({0: block('x')}), name='image-' + str(time.time_ns()))
def run(**changed):
    arguments = dict(InstanceType='t3.micro', MinCount=1, MaxCount=1, SubnetId=subnet, SecurityGroupIds=[group])
    arguments.update(changed)
    return instance_state(ec2.run_instances(ImageId=image(), **arguments)['Instances'][0]['InstanceId'], 'running')
def attribute(id, name): return ec2.describe_instance_attribute(InstanceId=id, Attribute=name)[name[0].upper() + name[1:]].get('Value')
def modify(id, **change): return ec2.modify_instance_attribute(InstanceId=id, **change)
def stop(id): ec2.stop_instances(InstanceIds=[id], Force=True); return instance_state(id, 'stopped')
)" + text);
  }
};

TEST_F(InstanceOptionsTest, AreToldAsTheLaunchSaid) {
  const auto seen = script(R"(
made = run(DisableApiTermination=True, Monitoring={'Enabled': True}, EbsOptimized=True, InstanceInitiatedShutdownBehavior='terminate',
    CreditSpecification={'CpuCredits': 'standard'}, MetadataOptions={'HttpTokens': 'required', 'HttpPutResponseHopLimit': 2})
id = made['InstanceId']
names = ('disableApiTermination', 'instanceInitiatedShutdownBehavior', 'ebsOptimized', 'userData')
def wrong(**changed):
    try: run(**changed)
    except ClientError as error: return error.response['Error']['Code']
metadata = made['MetadataOptions']
done(attributes=[attribute(id, name) for name in names], optimized=made['EbsOptimized'], monitoring=made['Monitoring']['State'],
     metadata=[metadata['HttpTokens'], metadata['HttpPutResponseHopLimit'], metadata['HttpEndpoint']], cpus=made['CpuOptions'],
     credits=[c['CpuCredits'] for c in ec2.describe_instance_credit_specifications(InstanceIds=[id])['InstanceCreditSpecifications']],
     protected=refused(ec2.terminate_instances, InstanceIds=[id]), association=made['NetworkInterfaces'][0]['Association']['PublicIp'] == made['PublicIpAddress'],
     wrong=[wrong(MetadataOptions={'HttpTokens': 'never'}), wrong(InstanceType='m5.large', CreditSpecification={'CpuCredits': 'standard'})])
)");
  EXPECT_EQ(seen["attributes"], json::parse(R"([true, "terminate", true, null])"));
  EXPECT_EQ(seen["optimized"], true);
  EXPECT_EQ(seen["monitoring"], "enabled");
  EXPECT_EQ(seen["metadata"], json::parse(R"(["required", 2, "enabled"])"));
  EXPECT_EQ(seen["cpus"], json::parse(R"({"CoreCount": 1, "ThreadsPerCore": 2})"));
  EXPECT_EQ(seen["credits"], json::array({"standard"}));
  EXPECT_EQ(seen["protected"], refusal("OperationNotPermitted", 400));
  EXPECT_EQ(seen["association"], true);
  EXPECT_EQ(seen["wrong"], json::parse(R"(["InvalidParameterValue", "InvalidParameterCombination"])"));
}

TEST_F(InstanceOptionsTest, AreChangedOneByOne) {
  const auto seen = script(R"(
made = run(DisableApiTermination=True, DisableApiStop=True)
id = made['InstanceId']
running = [refused(modify, id=id, InstanceType={'Value': 'm5.large'}), refused(ec2.stop_instances, InstanceIds=[id])]
modify(id, DisableApiStop={'Value': False}); modify(id, DisableApiTermination={'Value': False})
modify(id, InstanceInitiatedShutdownBehavior={'Value': 'terminate'})
shown = ec2.modify_instance_metadata_options(InstanceId=id, HttpTokens='required', HttpEndpoint='enabled')['InstanceMetadataOptions']['HttpTokens']
ec2.modify_instance_credit_specification(InstanceCreditSpecifications=[{'InstanceId': id, 'CpuCredits': 'standard'}])
credits = ec2.describe_instance_credit_specifications(InstanceIds=[id])['InstanceCreditSpecifications'][0]['CpuCredits']
ec2.monitor_instances(InstanceIds=[id])
monitored = instance(id)['Monitoring']['State']
stop(id)
modify(id, InstanceType={'Value': 'm5.large'}); modify(id, UserData={'Value': b'#!/bin/sh'})
modify(id, BlockDeviceMappings=[{'DeviceName': '/dev/sda1', 'Ebs': {'DeleteOnTermination': False}}])
after = instance(id)
data = base64.b64decode(attribute(id, 'userData')).decode()
nothing, nowhere = refused(modify, id=id), refused(modify, id=id, BlockDeviceMappings=[{'DeviceName': '/dev/sdz', 'Ebs': {'DeleteOnTermination': True}}])
none = refused(ec2.describe_instance_credit_specifications, InstanceIds=[id])
ec2.terminate_instances(InstanceIds=[id]); instance_state(id, 'terminated')
done(running=running, behavior=attribute(id, 'instanceInitiatedShutdownBehavior'), metadata=[shown, after['MetadataOptions']['HttpTokens']], credits=credits,
     monitored=monitored, type=after['InstanceType'], data=data, nothing=nothing, nowhere=nowhere, none=none,
     left=[v['State'] for v in ec2.describe_volumes()['Volumes']])
)");
  EXPECT_EQ(seen["running"],
            (json::array({refusal("IncorrectInstanceState", 400), refusal("OperationNotPermitted", 400)})));
  EXPECT_EQ(seen["behavior"], "terminate");
  EXPECT_EQ(seen["metadata"], (json::array({"required", "required"})));
  EXPECT_EQ(seen["credits"], "standard");
  EXPECT_EQ(seen["monitored"], "enabled");
  EXPECT_EQ(seen["type"], "m5.large");
  EXPECT_EQ(seen["data"], "#!/bin/sh");
  EXPECT_EQ(seen["nothing"], refusal("InvalidParameterCombination", 400));
  EXPECT_EQ(seen["nowhere"], refusal("InvalidInstanceAttributeValue", 400));
  EXPECT_EQ(seen["none"], refusal("InstanceCreditSpecification.NotSupported", 400));
  EXPECT_EQ(seen["left"], json::array({"available"})) << "the root volume was told to stay";
}

TEST_F(InstanceOptionsTest, AGuestThatSwitchesItselfOffEndsItsInstanceWhereThatWasWanted) {
  const std::string id =
      script("done(id=run(InstanceInitiatedShutdownBehavior='terminate')['InstanceId'])")["id"];
  kill_process(find_holder(machine_socket(folder.path() / "instances" / id)));
  const auto seen =
      script("i = instance_state('" + id + "', 'terminated')\n" +
             "done(reason=i['StateReason']['Code'], left=len(ec2.describe_volumes()['Volumes']))");
  EXPECT_EQ(seen["reason"], "Client.InstanceInitiatedShutdown");
  EXPECT_EQ(seen["left"], 0);
}

TEST_F(InstanceOptionsTest, GroupsAreChangedOfTheInstanceAndOfItsInterface) {
  const auto seen = script(R"(
made = run()
id, interface = made['InstanceId'], made['NetworkInterfaces'][0]['NetworkInterfaceId']
web = ec2.create_security_group(GroupName='second', Description='d', VpcId=vpc)['GroupId']
foreign = ec2.create_security_group(GroupName='foreign', Description='d', VpcId=ec2.create_vpc(CidrBlock='10.9.0.0/16')['Vpc']['VpcId'])['GroupId']
def groups(): return [g['GroupId'] for g in instance(id)['SecurityGroups']]
modify(id, Groups=[web, group])
both = groups() == [web, group]
ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[web])
done(both=both, one=groups() == [web], foreign=refused(modify, id=id, Groups=[foreign]),
     unknown=refused(ec2.modify_network_interface_attribute, NetworkInterfaceId='eni-00000000000000000', Groups=[web]))
)");
  EXPECT_EQ(seen["both"], true);
  EXPECT_EQ(seen["one"], true);
  EXPECT_EQ(seen["foreign"], refusal("InvalidGroup.NotFound", 400));
  EXPECT_EQ(seen["unknown"], refusal("InvalidNetworkInterfaceID.NotFound", 400));
}

TEST_F(InstanceOptionsTest, AProfileIsGivenReplacedAndTaken) {
  const auto seen = script(R"(
id = run()['InstanceId']
def associations(): return ec2.describe_iam_instance_profile_associations(Filters=[{'Name': 'instance-id', 'Values': [id]}])['IamInstanceProfileAssociations']
none = associations()
ec2.associate_iam_instance_profile(InstanceId=id, IamInstanceProfile={'Name': 'web'})
twice = refused(ec2.associate_iam_instance_profile, InstanceId=id, IamInstanceProfile={'Name': 'web'})
(made,) = associations()
ec2.replace_iam_instance_profile_association(AssociationId=made['AssociationId'], IamInstanceProfile={'Name': 'db'})
replaced = instance(id)['IamInstanceProfile']['Arn']
ec2.disassociate_iam_instance_profile(AssociationId=made['AssociationId'])
done(none=none, twice=twice, made=[made['IamInstanceProfile']['Arn'], made['State'], made['InstanceId'] == id], replaced=replaced,
     taken=instance(id).get('IamInstanceProfile'), gone=refused(ec2.disassociate_iam_instance_profile, AssociationId=made['AssociationId']))
)");
  EXPECT_EQ(seen["none"], json::array());
  EXPECT_EQ(seen["twice"], refusal("IncorrectState", 400));
  EXPECT_EQ(seen["made"],
            json::parse(R"(["arn:aws:iam::123456789012:instance-profile/web", "associated", true])"));
  EXPECT_EQ(seen["replaced"], "arn:aws:iam::123456789012:instance-profile/db");
  EXPECT_EQ(seen["taken"], nullptr);
  EXPECT_EQ(seen["gone"], refusal("NoSuchAssociation", 400));
}

TEST_F(InstanceOptionsTest, AnAddressIsTaggedAndTellsItsHolder) {
  const auto seen = script(R"(
made = run()
address = ec2.allocate_address(Domain='vpc')
id = address['AllocationId']
ec2.create_tags(Resources=[id], Tags=[{'Key': 'Name', 'Value': 'web'}])
ec2.associate_address(AllocationId=id, InstanceId=made['InstanceId'])
(listed,) = ec2.describe_addresses(PublicIps=[address['PublicIp']])['Addresses']
tags = [[t['ResourceType'], t['Value']] for t in ec2.describe_tags(Filters=[{'Name': 'resource-id', 'Values': [id]}])['Tags']]
attributes = [a['AllocationId'] == id for a in ec2.describe_addresses_attribute(AllocationIds=[id])['Addresses']]
ec2.delete_tags(Resources=[id])
done(tags=tags, left=ec2.describe_addresses(AllocationIds=[id])['Addresses'][0].get('Tags'), attributes=attributes,
     holder=[listed['PrivateIpAddress'] == made['PrivateIpAddress'], listed['NetworkInterfaceId'] == made['NetworkInterfaces'][0]['NetworkInterfaceId']],
     unknown=refused(ec2.describe_addresses, PublicIps=['127.1.1.1']))
)");
  EXPECT_EQ(seen["tags"], json::parse(R"([["elastic-ip", "web"]])"));
  EXPECT_EQ(seen["left"], json::array());
  EXPECT_EQ(seen["attributes"], json::array({true}));
  EXPECT_EQ(seen["holder"], (json::array({true, true})));
  EXPECT_EQ(seen["unknown"], refusal("InvalidAddress.NotFound", 400));
}

TEST_F(InstanceOptionsTest, AnImageIsFoundByItsNatureAndDescribedAnew) {
  const auto seen = script(R"(
id = image_of(make_snapshot({0: block('x')}), SriovNetSupport='simple')
of = {'virtualization-type': 'hvm', 'root-device-type': 'ebs', 'architecture': 'x86_64', 'ena-support': 'true', 'image-type': 'machine'}
found = [i['ImageId'] for i in ec2.describe_images(Owners=['self'], Filters=[{'Name': n, 'Values': [v]} for n, v in of.items()])['Images']]
ec2.modify_image_attribute(ImageId=id, Description={'Value': 'web servers'})
(image,) = ec2.describe_images(ImageIds=[id])['Images']
done(found=found == [id], description=image['Description'], sriov=image['SriovNetSupport'], nothing=refused(ec2.modify_image_attribute, ImageId=id),
     burstable={t['InstanceType']: t['BurstablePerformanceSupported'] for t in ec2.describe_instance_types(InstanceTypes=['t3.micro', 'm5.large'])['InstanceTypes']})
)");
  EXPECT_EQ(seen["found"], true);
  EXPECT_EQ(seen["description"], "web servers");
  EXPECT_EQ(seen["sriov"], "simple");
  EXPECT_EQ(seen["nothing"], refusal("InvalidParameterCombination", 400));
  EXPECT_EQ(seen["burstable"], json::parse(R"({"t3.micro": true, "m5.large": false})"));
}

}  // namespace
}  // namespace rekindle::sandbox
