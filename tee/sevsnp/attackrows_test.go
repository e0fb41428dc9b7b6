package sevsnp_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/quotary/quotary/internal/archtest"
)

// attackRows lists every known attack on the verification of SEV-SNP reports,
// by its number, with what it is and the tests that show it to fail: by name in
// this package, with the package before a dot elsewhere.
var attackRows = map[string]archtest.AttackRow{
	"S01": {"self-made root among the certificates", "TestAttack_S01_SelfMadeRoot TestAttack_S01_SelfMadeAMD TestAttack_S01_SentIssuersRaiseNoDoubt"},
	"S02": {"chain of another product line", "TestAttack_S02_ChainOfAnotherProductLine TestAttack_S02_ProductNameOfAnotherLine TestAttack_S02_TurinAndTheOthers TestAttack_S02_StructureVersionOfAnotherLine"},
	"S03": {"version 2, which names no product", "TestAttack_S03_ProductOfVersion2IsTheCertificates TestAttack_S03_Version2OfTurin policies.TestAttack_S03_ProductOfCertificateAlone"},
	"S04": {"unknown version", "TestAttack_S04_UnknownVersion"},
	"S05": {"payload behind the report", "TestAttack_S05_BytesBehindTheReport"},
	"S06": {"reserved bytes", "TestAttack_S06_ReservedBytes TestAttack_S06_ReservedBytesOfTurin"},
	"S07": {"VCEK of another chip", "TestAttack_S07_ChipIDOfAnotherChip TestAttack_S07_ChipIDOfAnotherTurin"},
	"S08": {"VCEK of another TCB", "TestAttack_S08_KeyOfAnotherTCB TestAttack_S08_KeyOfAnotherTCBOfTurin"},
	"S09": {"masked chip", "TestAttack_S09_MaskedChip TestAttack_S09_MaskedChipsOfAFleet TestAttack_S09_MaskedTurin TestAttack_S09_S31_S42_WhoAndWhere policies.TestAttack_S09_ChipIDMasked"},
	"S10": {"VLEK as VCEK", "TestAttack_S10_VLEKAsVCEK TestAttack_S10_IssuerOfTheOtherKind"},
	"S11": {"VLEK of another provider", "TestAttack_S11_ProviderIsClaimed TestAttack_S11_S35_KeyAndRevocation policies.TestAttack_S11_VLEKOfAnotherCloud"},
	"S12": {"unsigned report", "TestAttack_S12_UnsignedReport"},
	"S13": {"signature out of range", "TestAttack_S13_SignatureVariants"},
	"S14": {"byte order and layout", "TestAttack_S14_BigEndianNumbers TestAttack_S14_TurinInTheOtherLayout"},
	"S15": {"debugging allowed", "TestAttack_S15_S16_S42_WhatPolicyWeighs TestAttack_S15_S16_S17_S18_S19_S20_GuestPolicy policies.TestAttack_S15_Debug"},
	"S16": {"migration agent", "TestAttack_S15_S16_S42_WhatPolicyWeighs TestAttack_S15_S16_S17_S18_S19_S20_GuestPolicy policies.TestAttack_S16_MigrationAgent"},
	"S17": {"SMT", "TestAttack_S15_S16_S17_S18_S19_S20_GuestPolicy TestAttack_S17_S22_S23_S24_S25_Platform policies.TestAttack_S17_SMT"},
	"S18": {"several sockets", "TestAttack_S15_S16_S17_S18_S19_S20_GuestPolicy"},
	"S19": {"CXL memory", "TestAttack_S15_S16_S17_S18_S19_S20_GuestPolicy policies.TestAttack_S19_CXL"},
	"S20": {"protections that are not asked for", "TestAttack_S15_S16_S17_S18_S19_S20_GuestPolicy"},
	"S21": {"reserved bits of the guest policy", "TestAttack_S21_ReservedPolicyBits"},
	"S22": {"aliases in memory", "TestAttack_S17_S22_S23_S24_S25_Platform"},
	"S23": {"platform without protections", "TestAttack_S17_S22_S23_S24_S25_Platform"},
	"S24": {"TSME taken the wrong way", "TestAttack_S17_S22_S23_S24_S25_Platform policies.TestAttack_S24_TSMEIsInformation"},
	"S25": {"trusted I/O and unknown bits", "TestAttack_S25_UnknownPlatformBits TestAttack_S17_S22_S23_S24_S25_Platform policies.TestAttack_S25_UnknownPlatformBits"},
	"S26": {"firmware rolled back after launch", "TestAttack_S26_S27_S28_EveryTCBReachesPolicy TestAttack_S26_S27_S28_Firmware policies.TestAttack_S26_ProvisionalFirmware"},
	"S27": {"TCB compared as a number", "TestAttack_S26_S27_S28_EveryTCBReachesPolicy TestAttack_S26_S27_S28_Firmware TestAttack_S27_FMCBelow policies.TestAttack_S27_TCBAsNumber"},
	"S28": {"reported TCB lowered by the host", "TestAttack_S26_S27_S28_EveryTCBReachesPolicy TestAttack_S26_S27_S28_Firmware policies.TestAttack_S28_LoweredTCB"},
	"S29": {"mitigation not in force", "TestAttack_S29_MitigationVectorsBeforeTheirVersion TestAttack_S29_MitigationNotInForce policies.TestAttack_S29_MitigationMissing"},
	"S30": {"firmware with known weaknesses", "policies.TestAttack_S30_EveryRowAtItsBoundary"},
	"S31": {"leaked root seed: no signature shows it, so chips and lines can be denied", "TestAttack_S09_S31_S42_WhoAndWhere policies.TestAttack_S31_DeniedPlatforms"},
	"S32": {"revoked issuer", "TestAttack_S32_Revoked"},
	"S33": {"list out of its time, or rolled back", "TestAttack_S33_ListOutOfItsTime TestAttack_S33_Rollback tee/endorsements/store.TestAttack_S33_RollBack tee/endorsements/store.TestAttack_S33_OlderListWithALongerLife"},
	"S34": {"forged list that sticks", "TestAttack_S34_ForgedListDoesNotStick TestAttack_S34_ListThatSaysLess TestAttack_S34_FloodHidesNoRevocation TestAttack_S34_LookalikesOfTheKey TestAttack_S34_IssuersOfTheSameName TestAttack_S34_ManyLevelsOfOneChip tee/endorsements/store.TestAttack_S34_ForgedListThenGood"},
	"S35": {"no list", "TestAttack_S35_NoList TestAttack_S35_HistoryOfListsIsNoFlood TestAttack_S11_S35_KeyAndRevocation policies.TestAttack_S35_RevocationNotChecked"},
	"S36": {"key that issues keys", "TestAttack_S36_KeyThatIssues TestAttack_S36_IssuerThatIsNone"},
	"S37": {"weak keys and signatures", "TestAttack_S37_WeakKeyCertificates"},
	"S38": {"ambiguous extensions", "TestAttack_S38_Extensions TestAttack_S38_RepeatedExtension TestAttack_S38_FormsOfTheChipIdentifier TestAttack_S38_ExtensionsOfTurin TestAttack_S38_FormsOfTurinsChipIdentifier"},
	"S39": {"outside of the validity", "TestAttack_S39_OutsideValidity TestAttack_S39_ShortLivedIssuer TestAttack_S39_ExpiredDuplicatesOfTheKey"},
	"S40": {"report data in part", "TestAttack_S40_ReportDataIsWhole"},
	"S41": {"report data not compared: no policy can leave it out, and no verifier of a technology compares it", "policies.TestAttack_S41_ReportDataIsNoPolicy"},
	"S42": {"another privilege level", "TestAttack_S15_S16_S42_WhatPolicyWeighs TestAttack_S09_S31_S42_WhoAndWhere policies.TestAttack_S42_HigherVMPL"},
	"S43": {"report that the host asked for", "TestAttack_S43_RequestedByTheHost policies.TestAttack_S43_HostRequestedReport"},
	"S44": {"measurement in part", "TestAttack_S44_MeasurementIsWhole TestAttack_S44_S45_S46_S47_S48_S49_S51_Image policies.TestAttack_S44_MeasurementTricks"},
	"S45": {"host data as identity", "TestAttack_S44_S45_S46_S47_S48_S49_S51_Image policies.TestAttack_S45_HostData"},
	"S46": {"swapped init data", "TestAttack_S44_S45_S46_S47_S48_S49_S51_Image"},
	"S47": {"ID block without its key", "TestAttack_S44_S45_S46_S47_S48_S49_S51_Image policies.TestAttack_S47_IDBlockWithoutKey"},
	"S48": {"author key that is not enabled", "TestAttack_S44_S45_S46_S47_S48_S49_S51_Image policies.TestAttack_S48_AuthorKeyNotEnabled"},
	"S49": {"older image", "TestAttack_S44_S45_S46_S47_S48_S49_S51_Image policies.TestAttack_S49_GuestSVNRollback"},
	"S50": {"image that is known to be bad: no report shows it, so reference values say it", "policies.TestAttack_S50_KnownBadImage"},
	"S51": {"process on a generic image", "TestAttack_S44_S45_S46_S47_S48_S49_S51_Image"},
}

// TestAttackRows_SEVSNP holds the table to the tests: each row has one, each that
// it names is there and carries the row's number, and none is left out.
func TestAttackRows_SEVSNP(t *testing.T) {
	tree, err := archtest.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for n := 1; n <= 51; n++ {
		ids = append(ids, fmt.Sprintf("S%02d", n))
	}
	for _, violation := range archtest.Attacks(tree, "tee/sevsnp", ids, attackRows) {
		t.Error(violation)
	}
}
