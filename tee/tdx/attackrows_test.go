package tdx

import (
	"fmt"
	"os"
	"testing"

	"github.com/quotary/quotary/internal/archtest"
)

// attackRows lists every known attack on the verification of TDX quotes, by its
// number, with what it is and the tests that show it to fail. Those of event logs
// (T31 to T35) are not of quotes.
var attackRows = map[string]archtest.AttackRow{
	"T01": {"collateral that can be read in two ways", "TestAttack_T01_SecondTCBInfo TestAttack_T01_StrictJSON TestAttack_T01_TrailingData TestAttack_T01_CollateralFlips tee/endorsements.TestAttack_T01_CollateralWithAmbiguousKeys"},
	"T02": {"hostile lengths", "TestAttack_T02_LengthFields"},
	"T03": {"SGX quote as TDX quote", "TestAttack_Quote/T03_SGXTEEType TestAttack_Quote/T03_Version3 TestAttack_Quote/T03_Version6 TestAttack_Quote/T03_SGXBodyInVersion5"},
	"T04": {"body type and size that disagree", "TestAttack_Quote/T04_BodyTypeOf15WithSizeOf10 TestAttack_Quote/T04_BodyTypeOf10WithSizeOf15"},
	"T05": {"attestation key of another type", "TestAttack_Quote/T05_KeyTypeP384"},
	"T06": {"quoting enclave of another vendor", "TestAttack_Quote/T06_QEVendor"},
	"T07": {"attestation key that no enclave vouches for", "TestAttack_Quote/T07_KeyBindingHash TestAttack_Quote/T07_KeyBindingZeros TestAttack_Quote/T07_OwnAttestationKey TestAttack_Quote/T07_AuthenticationData"},
	"T08": {"QE report by another key", "TestAttack_Quote/T08_QEReportByOtherPCK"},
	"T09": {"another enclave on a genuine processor", "TestAttack_Quote/T09_QESigner TestAttack_Quote/T09_QEProduct TestAttack_Quote/T09_QEDebug TestAttack_Quote/T09_QEMiscSelect TestAttack_Quote/T09_QEReserved TestAttack_T09_QEIdentityForged"},
	"T10": {"old quoting enclave", "TestAttack_T10_QELevels TestAttack_Collateral/T10_TwoLevelsOfOneQE"},
	"T11": {"identity of SGX's quoting enclave", "TestAttack_Collateral/T11_QEIdentityOfSGX TestAttack_Collateral/T11_QEIdentityVersion TestAttack_T11_SGXIdentityBesideTD"},
	"T12": {"TCB info of SGX, or another version or type", "TestAttack_Collateral/T12_TCBInfoOfSGX TestAttack_Collateral/T12_TCBInfoVersion TestAttack_Collateral/T12_TCBType TestAttack_T12_ForeignDocuments tee/endorsements.TestAttack_T12_TCBInfoOfSGX"},
	"T13": {"collateral of another platform type", "TestAttack_Collateral/T13_FMSPC TestAttack_T13_HexCase"},
	"T14": {"collateral of another PCE", "TestAttack_Collateral/T14_PCEID"},
	"T15": {"collateral out of its time", "TestAttack_T15_OneYearLater TestAttack_T15_RealEvidenceAYearLater TestAttack_T15_Borders TestAttack_Collateral/T15_TCBInfoExpired TestAttack_Collateral/T15_TCBInfoFromTheFuture TestAttack_Collateral/T15_QEIdentityExpired TestAttack_Collateral/T15_QEIdentityFromTheFuture TestAttack_Collateral/T15_NextUpdateBeforeIssue TestAttack_T15_ExpiredWhileNewerExists"},
	"T16": {"older evaluation that is still in force", "TestAttack_T16_NewestDocumentCounts TestAttack_T16_LowerNumberOfTwo TestAttack_T16_ManyDocuments TestAttack_T16_NumberOfTheSignedBody TestAttack_T16_T17_OlderEvaluation policies.TestAttack_T16_OlderEvaluation internal/vendors.TestAttack_T16_BackFromEarly"},
	"T17": {"replica with older collateral", "TestAttack_T16_T17_OlderEvaluation"},
	"T18": {"TCB levels compared wrongly", "TestAttack_T18_AgainstModel TestAttack_T18_NeverBetterThanModel TestAttack_T18_Monotonic TestAttack_T18_RevokedPlatform TestAttack_Collateral/T18_NoTDXComponents TestAttack_Collateral/T18_TwoLevelsOfOneTCB"},
	"T19": {"weak status", "TestAttack_T19_EveryStatus TestAttack_T19_T20_T21_Status policies.TestAttack_T19_WeakStatusByDefault"},
	"T20": {"new advisory under an allowed status", "TestAttack_T19_T20_T21_Status policies.TestAttack_T20_NewAdvisory"},
	"T21": {"platform at the end of servicing", "TestAttack_T19_T20_T21_Status policies.TestAttack_T21_EndOfServicing"},
	"T22": {"another TDX module", "TestAttack_Quote/T22_ModuleSigner TestAttack_Collateral/T22_ModuleIdentitySigner TestAttack_Collateral/T22_ModuleIdentityAttributes TestAttack_Collateral/T22_TwoIdentitiesOfOneVersion TestAttack_Collateral/T22_TwoLevelsOfOneModule TestAttack_T22_SignerAfterUpdate TestAttack_T22_T23_Module policies.TestAttack_T22_ForeignModule"},
	"T23": {"TDX module under debug", "TestAttack_Quote/T23_SEAMDebug TestAttack_T22_T23_Module"},
	"T24": {"TD under debug", "TestAttack_T24_T25_T26_T27_T28_Claims TestAttack_T24_T25_T26_T27_T28_Attributes policies.TestAttack_T24_Attributes"},
	"T25": {"exceptions that the host injects", "TestAttack_T24_T25_T26_T27_T28_Claims TestAttack_T24_T25_T26_T27_T28_Attributes"},
	"T26": {"migration", "TestAttack_T24_T25_T26_T27_T28_Claims TestAttack_T26_MigrationTD TestAttack_T24_T25_T26_T27_T28_Attributes policies.TestAttack_T26_ServiceTD"},
	"T27": {"other attributes", "TestAttack_T24_T25_T26_T27_T28_Claims TestAttack_T24_T25_T26_T27_T28_Attributes"},
	"T28": {"odd processor features", "TestAttack_T24_T25_T26_T27_T28_Claims TestAttack_T24_T25_T26_T27_T28_Attributes policies.TestAttack_T28_XFAM"},
	"T29": {"another kernel under the right firmware", "TestAttack_T29_T30_T37_Measurements policies.TestAttack_T29_KernelSwapped policies.TestAttack_T29_AnyFirmware"},
	"T30": {"register that nobody compares", "TestAttack_T29_T30_T37_Measurements policies.TestAttack_T30_SparseRegisters"},
	"T31": {"no event log, or an empty one", "TestAttack_T31_NoLog tee/eventlog.TestAttack_T31_NoLog"},
	"T32": {"events for the register beside theirs", "TestAttack_T32_RegisterIndexes tee/eventlog.TestAttack_T32_RegisterIndexes"},
	"T33": {"events behind the padding", "TestAttack_T33_EventsBehindPadding tee/eventlog.TestAttack_T33_EventsBehindPadding"},
	"T34": {"event whose digest covers another payload", "TestAttack_T34_PayloadNotCovered tee/eventlog.TestAttack_T34_PayloadNotCovered"},
	"T35": {"event of a name that was there before", "TestAttack_T35_EventsBehindBoundary tee/eventlog.TestAttack_T35_EventsBehindBoundary"},
	"T36": {"report data in part", "TestAttack_T36_ReportDataIsWhole"},
	"T37": {"zero taken for anything", "TestAttack_T29_T30_T37_Measurements policies.TestAttack_T37_ZeroConfiguration"},
	"T38": {"odd chains", "TestAttack_T38_ChainShape TestAttack_T38_CAProfiles TestAttack_T38_PathLength TestAttack_T38_LeafAsCA TestAttack_T38_SigningProfiles TestAttack_T38_OtherCurve"},
	"T39": {"root of the attacker's own", "TestAttack_T39_OwnRoot TestAttack_T39_NotAnAnchor TestAttack_T39_OwnCollateral TestAttack_T39_MixedHierarchies"},
	"T40": {"revoked certificates", "TestAttack_T40_Revocation TestAttack_T40_OldCRLBesideNew"},
	"T41": {"CRL of the other CA", "TestAttack_T41_CRLOfOtherCA TestAttack_T41_ProcessorCA"},
	"T42": {"CRL out of its time, or in part", "TestAttack_T42_CRLDates TestAttack_T42_RevocationIsForGood TestAttack_T42_PartialLists TestAttack_T42_ManyLists"},
	"T43": {"key taken out of a machine: no signature shows it, so machines can be listed", "TestAttack_T43_PPID TestAttack_T43_T44_WhoAndWhere"},
	"T44": {"certificate that does not name its machine", "TestAttack_T44_T45_PCKExtension TestAttack_T43_T44_WhoAndWhere policies.TestAttack_T44_PlatformIdentityAbsent"},
	"T45": {"ambiguous certificate extension", "TestAttack_T44_T45_PCKExtension TestAttack_T45_TwoExtensions"},
	"T46": {"flood of platform types", "TestAttack_T46_SelfMadePlatforms TestAttack_T46_NothingForWhatIsRefusedAnyhow"},
	"T47": {"addresses in certificates", "TestAttack_T47_DistributionPoints"},
	"T48": {"module updated under a running TD", "TestAttack_T48_UpdatedModule TestAttack_T48_RelaunchOfRevoked TestAttack_T48_NoRelaunch TestAttack_T48_TDReport10 TestAttack_T48_Relaunch"},
	"T49": {"versions in the header", "TestAttack_T49_HeaderVersions"},
	"T50": {"signature in its other form", "TestAttack_T50_MalleableSignature"},
}

// TestAttackRows_TDX holds the table to the tests: each row has one, each that it
// names is there and carries the row's number, and none is left out.
func TestAttackRows_TDX(t *testing.T) {
	tree, err := archtest.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for n := 1; n <= 50; n++ {
		ids = append(ids, fmt.Sprintf("T%02d", n))
	}
	for _, violation := range archtest.Attacks(tree, "tee/tdx", ids, attackRows) {
		t.Error(violation)
	}
}
