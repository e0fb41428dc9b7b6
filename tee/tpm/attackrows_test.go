package tpm

import (
	"fmt"
	"os"
	"testing"

	"github.com/quotary/quotary/internal/archtest"
)

// attackRows lists every known attack on TPMs' quotes, keys, logs and enrolments, by
// its number, with what it is and the tests that show it to fail: by name in this
// package, with the package before a dot elsewhere.
var attackRows = map[string]archtest.AttackRow{
	"P01": {"attested structure that no TPM generated", "TestAttack_P01_WrongMagic"},
	"P02": {"attestation key that signs whatever it is given", "TestAttack_P02_AreaBesideACertificate TestAttack_P02_EnrolledKeyNotRestricted TestAttack_P02_KeyNotRestricted TestAttack_P02_LyingPublicArea TestAttack_P02_OtherAreaOfTheGivenKey TestAttack_P02_VouchedKeyNotRestricted policies.TestAttack_P02_UnrestrictedKey"},
	"P03": {"attestation key of another TPM than the endorsement key's", "TestAttack_P03_KeyOfSoftware TestAttack_P03_KeysOfDifferentMachines TestAttack_P03_KeysOfDifferentTPMs internal/server.TestAttack_P03_CredentialOfAnotherTPM policies.TestAttack_P03_OtherEndorsementKey"},
	"P04": {"endorsement key's area that is not its certificate's", "TestAttack_P04_AreaByNoTemplate TestAttack_P04_AreaOfAnotherKey"},
	"P05": {"endorsement key that no manufacturer vouches for", "TestAttack_P05_CertificateTricks TestAttack_P05_IssuerForAnotherPurpose TestAttack_P05_Revoked TestAttack_P05_UnknownIssuer TestAttack_P05_WebOfIssuers internal/server.TestAttack_P05_SimulatedEndorsementKeyWithoutConsent policies.TestAttack_P05_RevocationUnknown"},
	"P06": {"odd certificates and chains", "TestAttack_P06_CertificateTricks TestAttack_P06_ChainTricks TestAttack_P06_FloodHidesNoRevocation TestAttack_P06_IdentityInTheCertificate TestAttack_P06_IssuerForAnotherPurpose TestAttack_P06_IssuersOfTheSameName TestAttack_P06_NamesThatAreNotKnown TestAttack_P06_RollbackOfLists TestAttack_P06_WebOfIssuers"},
	"P07": {"public area of another key", "TestAttack_P07_PublicAreaOfAnotherKey"},
	"P08": {"cloud's extension under another's root", "TestAttack_P08_EndorsementKeyOfAnInstance TestAttack_P08_InstanceInformationOfAnEndorsementKey TestAttack_P08_InstanceInformationUnderAnotherRoot policies.TestAttack_P08_KeyOfAnotherRoot"},
	"P09": {"PCRs that no quote covers", "TestAttack_P09_ClaimsHoldOnlyWhatIsCovered TestAttack_P09_IMAWithoutPCR10 TestAttack_P09_NothingSelected policies.TestAttack_P09_PCRNotQuoted tokens.TestAttack_P09_VectorClaimsWhatWasCompared tee/eventlog.TestAttack_P09_UnquotedRegisters"},
	"P10": {"registers that software sets back, and values under other indexes", "TestAttack_P10_AnotherIndexThanSelected TestAttack_P10_ResettableRegisters policies.TestAttack_P10_ResettablePCR policies.TestAttack_P10_RulesOnResettablePCRs"},
	"P11": {"values cut anew", "TestAttack_P11_ShiftedValues TestAttack_P11_ValuesOfAnotherBank"},
	"P12": {"several banks at once", "TestAttack_P12_SeveralBanks"},
	"P13": {"weaker bank, or one that nothing was measured into", "TestAttack_P13_BankDowngrade TestAttack_P13_BootAggregate TestAttack_P13_P32_P33_Banks policies.TestAttack_P13_BankDowngrade"},
	"P14": {"digest by another hash", "TestAttack_P14_DigestByAnotherHash"},
	"P15": {"signature by another scheme", "TestAttack_P15_EnrolledKeyOfAnyScheme TestAttack_P15_SchemeConfusion"},
	"P16": {"bytes behind the structures", "TestAttack_P16_TrailingBytes"},
	"P17": {"statement of another type", "TestAttack_P17_NotAQuote"},
	"P18": {"extra data in part, or with more", "TestAttack_P18_ExtraDataIsExact"},
	"P19": {"another signer than the key", "TestAttack_P19_QualifiedSigner"},
	"P20": {"clock and counters that run backwards", "TestAttack_P20_ClearedTPM TestAttack_P20_ClockIsClaimed TestAttack_P20_ClockRunsBackwards TestAttack_P20_Clone internal/store.TestAttack_P20_TwoQuotesOfOneKeyAtOnce policies.TestAttack_P20_ClockSetBack verifier.TestAttack_P20_CloneOfVirtualTPM verifier.TestAttack_P20_QuotesOutOfOrder"},
	"P21": {"TPM set back while its machine runs on", "TestAttack_P21_LogsAreNotForgotten TestAttack_P21_ResetWhileRunning TestAttack_P21_Restart"},
	"P22": {"key that is said to live in the TPM", "TestAttack_P22_Certification TestAttack_P22_CertificationOfAForgedQuote TestAttack_P22_CertifiedAttributes TestAttack_P22_SignerNotKnownToBeRestricted policies.TestAttack_P22_KeyOutsideOfTheTPM verifier.TestAttack_P22_CertificationForAnotherChallenge"},
	"P23": {"certified key that is not the attested one", "verifier.TestAttack_P23_CertifiedKeyIsNotTheAttestedOne"},
	"P24": {"weak and malformed keys", "TestAttack_P24_BadKeys TestAttack_P24_CertifiedKeyIsWeak TestAttack_P24_WeakEndorsementKeys TestAttack_P24_WeakEnrolledKeys"},
	"P25": {"event whose digest does not cover what it says", "policies.TestAttack_P25_UncoveredEvents tee/eventlog.TestAttack_P25_DataNotCovered"},
	"P26": {"log without the events of a register", "TestAttack_P26_Events TestAttack_P26_SystemsOwnRegisters policies.TestAttack_P26_EventsStripped policies.TestAttack_P26_UnlistedNeverAccepts tee/ima.TestAttack_P26_P34_OtherEntries"},
	"P27": {"events that extend nothing", "TestAttack_P27_P31_Forms tee/eventlog.TestAttack_P27_ClaimsFromNoAction tee/eventlog.TestAttack_P27_LateStartupLocality"},
	"P28": {"separators", "policies.TestAttack_P28_AnotherBootOption tee/eventlog.TestAttack_P28_Separators"},
	"P29": {"event under another type", "tee/eventlog.TestAttack_P29_SwappedTypes"},
	"P30": {"variables of secure boot", "policies.TestAttack_P30_OtherKeys policies.TestAttack_P30_ShimThatVerifiesNothing tee/eventlog.TestAttack_P30_SecureBootVariables tee/eventlog.TestAttack_P30_ShimThatVerifiesNothing"},
	"P31": {"hostile lengths", "TestAttack_P27_P31_Forms tee/eventlog.TestAttack_P31_VastLengths tee/ima.TestAttack_P31_IMASizes"},
	"P32": {"digests of other banks than the header has", "TestAttack_P13_P32_P33_Banks tee/eventlog.TestAttack_P32_DigestsOfEvents"},
	"P33": {"true log of one bank, forged of another", "TestAttack_P13_P32_P33_Banks policies.TestAttack_P33_LogOfAnotherBank tee/eventlog.TestAttack_P33_OtherBank"},
	"P34": {"command lines and measured files", "TestAttack_P34_IMALog policies.TestAttack_P34_CommandLineLikeACommand policies.TestAttack_P34_CommandLines policies.TestAttack_P34_KernelWithoutItsLoader policies.TestAttack_P34_NoRAMDisk policies.TestAttack_P34_RealCommandLineAndShell tee/eventlog.TestAttack_P34_CommandLines tee/ima.TestAttack_P26_P34_OtherEntries tee/ima.TestAttack_P34_BufferNamedLikeAFile tee/ima.TestAttack_P34_EntriesBehindTheQuote tee/ima.TestAttack_P34_EveryBit tee/ima.TestAttack_P34_FieldLengths tee/ima.TestAttack_P34_FileNamedLikeTheAggregate tee/ima.TestAttack_P34_FileThatPassesForABuffer tee/ima.TestAttack_P34_ListsThatAreNot tee/ima.TestAttack_P34_OlderKernel tee/ima.TestAttack_P34_OriginalTemplateSwap tee/ima.TestAttack_P34_PathsThatLookLikeMore tee/ima.TestAttack_P34_SecondContent tee/ima.TestAttack_P34_TemplateSwap tee/ima.TestAttack_P34_TemplatesInMessages tee/ima.TestAttack_P34_ViolationSmuggling"},
	"P35": {"provider's virtual TPM as hardware", "TestAttack_P35_ProviderIsClaimed policies.TestAttack_P35_ProvidersTPM"},
	"P36": {"runtime data that nothing measured", "policies.TestAttack_P36_ParavisorUnmentioned tee/hcl.TestAttack_P36_Configuration tee/hcl.TestAttack_P36_EveryByte tee/hcl.TestAttack_P36_KeyMaterial tee/hcl.TestAttack_P36_Keys tee/hcl.TestAttack_P36_ReportsThatAreNot verifier.TestAttack_P36_HostileParavisor verifier.TestAttack_P36_ReportWithoutQuote verifier.TestAttack_P36_RuntimeDataIsNotWhatWasMeasured"},
	"P37": {"parts of different machines", "TestAttack_P37_VouchedKeyOfAnotherTPM policies.TestAttack_P37_VouchedByOthers tokens.TestAttack_P37_VectorOfAnotherItem verifier.TestAttack_P37_ItemsBoundApart verifier.TestAttack_P37_PartsOfTwoMachines verifier.TestAttack_P37_QuoteOfAnotherTPM verifier.TestAttack_P37_SecondTEEUnlinked"},
	"P38": {"enrolment of another machine under one identity", "TestAttack_P38_EnrolmentNamesItsTPM TestAttack_P38_OneIdentity TestAttack_P38_OutcomeOutlivesItsRequest internal/server.TestAttack_P38_ConcurrentEnrolments internal/store.TestAttack_P38_ConcurrentEnrolments internal/store.TestAttack_P38_KeyOfAnotherTPM internal/store.TestAttack_P38_RevokedKeyDoesNotComeBack internal/store.TestAttack_P38_SecondKeyOfATPM internal/store.TestAttack_P38_SupersededWhileAppraised"},
	"P39": {"TPM with known bad firmware", "policies.TestAttack_P39_DisguisedFirmware policies.TestAttack_P39_OldFirmware"},
}

// TestAttackRows_TPM holds the table to the tests: each row has one, each that it
// names is there and carries the row's number, and none is left out.
func TestAttackRows_TPM(t *testing.T) {
	tree, err := archtest.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for n := 1; n <= 39; n++ {
		ids = append(ids, fmt.Sprintf("P%02d", n))
	}
	for _, violation := range archtest.Attacks(tree, "tee/tpm", ids, attackRows) {
		t.Error(violation)
	}
}
