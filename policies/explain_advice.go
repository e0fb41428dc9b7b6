package policies

import "github.com/quotary/quotary/evidence"

// advice is what explanations say of the checks of one code.
type advice struct {
	key       string // in documents
	list      bool   // a list of values, to which what was got can be added
	allow     bool   // the list is the key's allow
	reference bool   // the list may be of reference values
	word      string // of allow, which relaxes the check
	machine   string // what would have to be done to the machine
	change    string // what would have to be done to the document
	caution   string // what the word or the change gives up
	waiting   string // what a check that was not performed waits for
}

// Whom to ask for what a check waits for.
const (
	waitRevocation = "provide the vendor's current revocation list for the chain (endorsements), or write revocation: {stale_ok: DURATION} where the newest list has ended not long ago"
	waitCollateral = "provide Intel's collateral for the platform (endorsements)"
)

// adviceOf has the codes of requirements. A code that is not here is explained by
// what it wants.
var adviceOf = map[evidence.Code]advice{
	evidence.CodePolicySNPMeasurement: {key: "sev_snp.measurements", list: true, reference: true, machine: "launch the listed image"},
	evidence.CodePolicySNPHostData:    {key: "sev_snp.host_data", list: true},
	evidence.CodePolicySNPIDKey:       {key: "sev_snp.id_key_digests", list: true},
	evidence.CodePolicySNPAuthorKey:   {key: "sev_snp.author_key_digests", list: true},
	evidence.CodePolicySNPFamilyID:    {key: "sev_snp.family_id", list: true},
	evidence.CodePolicySNPImageID:     {key: "sev_snp.image_id", list: true},
	evidence.CodePolicySNPChip:        {key: "sev_snp.chip_ids", list: true, allow: true},
	evidence.CodePolicySNPCSP:         {key: "sev_snp.csp_ids", list: true, allow: true},
	evidence.CodePolicySNPProduct: {
		key: "sev_snp.products", machine: "use a machine of a listed product line", change: "list the product line in sev_snp.products",
		caution: "machines of this product line are accepted from then on",
	},
	evidence.CodePolicySNPSigningKey: {
		key: "sev_snp.signing_keys", change: "list the kind of key in sev_snp.signing_keys", caution: "reports under this kind of key are accepted from then on",
	},
	evidence.CodePolicySNPGuestSVN: {
		key: "sev_snp.minimum_guest_svn", machine: "launch a newer image", change: "lower sev_snp.minimum_guest_svn", caution: "older images are accepted from then on",
	},
	evidence.CodePolicySNPVMPL: {
		key: "sev_snp.vmpl", machine: "ask for the report at the required privilege level", change: "write another sev_snp.vmpl",
		caution: "software at that level is trusted then, and a report that the host asked for never passes",
	},
	evidence.CodePolicySNPDebug: {machine: "launch the guest with a policy that forbids debugging: the host can read all of a guest that it may debug"},
	evidence.CodePolicySNPProvisional: {
		key: "sev_snp.allow", word: allowProvisional, machine: "commit the machine's firmware", caution: "the host can roll back firmware that is not committed",
	},
	evidence.CodePolicySNPMigration: {
		key: "sev_snp.migration_agents", machine: "launch the guest without a migration agent", change: "list the agent's report ID in sev_snp.migration_agents",
		caution: "a migration agent reads all of the guest",
	},
	evidence.CodePolicySNPCXL: {
		key: "sev_snp.guest_policy", machine: "launch the guest with a policy that forbids CXL memory", change: "write guest_policy: {cxl: any} below sev_snp",
		caution: "CXL memory lies outside of the package",
	},
	evidence.CodePolicySNPGuestPolicy: {machine: "launch the guest with a policy that has the required settings"},
	evidence.CodePolicySNPPlatform:    {machine: "change the machine's settings, so that it has the required features and no other"},
	evidence.CodePolicySNPMitigation:  {machine: "update the machine's firmware and launch the guest anew"},
	evidence.CodePolicySNPAdvisories: {
		key: "sev_snp.advisories", machine: "update the machine's firmware as the bulletins ask", change: "accept the bulletins by advisories: {deny_except: [ID, …]} below sev_snp",
		caution: "the machine has flaws that are known",
	},
	evidence.CodePolicySNPRevocation: {waiting: waitRevocation},

	evidence.CodePolicyTDXMRTD:          {key: "tdx.mrtd", list: true, reference: true, machine: "start the listed firmware"},
	evidence.CodePolicyTDXRTMR0:         {key: "tdx.rtmr0", list: true, reference: true},
	evidence.CodePolicyTDXRTMR1:         {key: "tdx.rtmr1", list: true, reference: true},
	evidence.CodePolicyTDXRTMR2:         {key: "tdx.rtmr2", list: true, reference: true},
	evidence.CodePolicyTDXRTMR3:         {key: "tdx.rtmr3", list: true, reference: true},
	evidence.CodePolicyTDXMRSEAM:        {key: "tdx.mrseam", list: true, reference: true},
	evidence.CodePolicyTDXMRConfigID:    {key: "tdx.mrconfigid", list: true},
	evidence.CodePolicyTDXMROwner:       {key: "tdx.mrowner", list: true},
	evidence.CodePolicyTDXMROwnerConfig: {key: "tdx.mrownerconfig", list: true},
	evidence.CodePolicyTDXXFAM:          {key: "tdx.xfam", list: true},
	evidence.CodePolicyTDXSEAMSigner:    {key: "tdx.mrsigner_seam", list: true},
	evidence.CodePolicyTDXServiceTD:     {key: "tdx.mrservicetd", list: true},
	evidence.CodePolicyTDXFMSPC:         {key: "tdx.fmspcs", list: true, allow: true},
	evidence.CodePolicyTDXPPID:          {key: "tdx.ppids", list: true, allow: true},
	evidence.CodePolicyTDXTCBStatus: {
		key: "tdx.tcb_statuses", machine: "update the platform", change: "list the status in tdx.tcb_statuses, with an end (until) and the advisories that may apply",
		caution: "the platform has flaws that are known", waiting: waitCollateral,
	},
	evidence.CodePolicyTDXAdvisories: {
		key: "tdx.advisories", machine: "update the platform", change: "list the advisories in tdx.advisories", caution: "the platform has flaws that are known", waiting: waitCollateral,
	},
	evidence.CodePolicyTDXEvaluation: {
		key: "tdx.minimum_evaluation_data_number", machine: "provide newer collateral", change: "lower tdx.minimum_evaluation_data_number",
		caution: "older collateral does not know the newest flaws", waiting: waitCollateral,
	},
	evidence.CodePolicyTDXDebug: {machine: "start the TD without debugging and profiling (attributes, TUD): the host can read all of a TD that it may debug"},
	evidence.CodePolicyTDXMigratable: {
		key: "tdx.allow", word: allowMigratable, machine: "start the TD so that it cannot be migrated", caution: "a service TD that migrates it reads all of it",
	},
	evidence.CodePolicyTDXSEPTVE: {
		key: "tdx.allow", word: allowNoSEPTVE, machine: "start the TD with SEPT_VE_DISABLE", caution: "the host can interrupt the TD wherever it likes",
	},
	evidence.CodePolicyTDXPerfmon: {
		key: "tdx.allow", word: allowPerfmon, machine: "start the TD without performance monitoring", caution: "performance counters tell others what the TD does",
	},
	evidence.CodePolicyTDXAttributes: {
		key: "tdx.allow", word: allowAttributes, machine: "start the TD without the unknown attributes", caution: "nobody can say what an unknown attribute allows",
	},

	evidence.CodePolicyTPMPCR:      {key: "tpm.pcrs", list: true, reference: true},
	evidence.CodePolicyTPMAK:       {key: "tpm.ak.sha256", list: true},
	evidence.CodePolicyTPMAKAnchor: {key: "tpm.ak.anchors", list: true},
	evidence.CodePolicyTPMEK:       {key: "tpm.ak.eks", list: true, allow: true},
	evidence.CodePolicyTPMBank:     {machine: "quote the bank that the policy names"},
	evidence.CodePolicyTPMAKSource: {
		key: "tpm.ak.sources", machine: "enrol the attestation key, or certify it", change: "list the source in tpm.ak.sources", caution: "keys that are trusted for this reason are accepted from then on",
	},
	evidence.CodePolicyTPMAKVouched: {machine: "send the report or quote that vouches for the key, to an alternative that judges it"},
	evidence.CodePolicyTPMAKProvider: {
		key: "tpm.ak.providers", machine: "use a TPM that is none of a cloud provider's", change: "name the provider in tpm.ak.providers",
		caution: "the quote is then the provider's word alone",
	},
	evidence.CodePolicyTPMAKRestricted: {
		key: "tpm.allow", word: allowAKUnknown, machine: "send the key's public area, of a restricted key",
		caution: "a key that is not restricted signs whatever it is given; one that is known not to be restricted never passes",
	},
	evidence.CodePolicyTPMSafe: {
		key: "tpm.allow", word: allowUnsafe, machine: "wait until the TPM has stored its clock", caution: "a clock that was set back lets counters repeat",
	},
	evidence.CodePolicyTPMFirmware: {
		key: "tpm.minimum_firmware", machine: "update the TPM's firmware", change: "lower tpm.minimum_firmware", caution: "older firmware may have flaws that are known",
	},
	evidence.CodePolicyTPMKey:        {machine: "make the workload's key in the TPM, and have the TPM certify it"},
	evidence.CodePolicyTPMRevocation: {waiting: waitRevocation},

	evidence.CodePolicyIMALog:   {machine: "send the kernel's measurement list, and quote PCR 10 with it"},
	evidence.CodePolicyIMAFiles: {key: "tpm.ima.files", change: "list the files' digests in tpm.ima.files or the key that signed them in tpm.ima.keys", machine: "remove the files that are not listed and start the machine anew", caution: cautionListed},
	evidence.CodePolicyIMAViolations: {
		key: "tpm.ima.violations", machine: "start the machine anew", change: "write violations: allow below tpm.ima", caution: "files that changed while they were measured are accepted",
	},
	evidence.CodePolicyIMAUnread: {
		key: "tpm.ima.unread", machine: "use a template that names files", change: "write unread: allow below tpm.ima", caution: "entries that nobody can read are accepted",
	},
	evidence.CodePolicyIMABootAggregate: {
		key: "tpm.ima.boot_aggregate", machine: "quote PCRs 0 to 9 with the list", change: "write boot_aggregate: any below tpm.ima", caution: "the list may be of another boot",
	},

	evidence.CodePolicyParavisor: {
		key: "paravisor", machine: "use evidence that comes the way that the alternative describes", change: "say in paravisor what it must show", caution: "a paravisor stands between the host and the guest, and sees all of the guest",
	},
	evidence.CodePolicyParavisorVM: {key: "paravisor.vm_ids", list: true, allow: true},

	evidence.CodePolicyBootLog:         {machine: "send the event log of the boot"},
	evidence.CodePolicyBootSecureBoot:  {machine: "enable secure boot, with keys enrolled"},
	evidence.CodePolicyBootPK:          {key: "boot.secure_boot.pk", change: "list the certificate in boot.secure_boot.pk", machine: "enrol the listed keys", caution: cautionListed},
	evidence.CodePolicyBootKEK:         {key: "boot.secure_boot.kek", change: "list the certificate in boot.secure_boot.kek", machine: "enrol the listed keys", caution: cautionListed},
	evidence.CodePolicyBootDB:          {key: "boot.secure_boot.db", change: "list the certificate in boot.secure_boot.db", machine: "enrol the listed keys", caution: cautionListed},
	evidence.CodePolicyBootDBX:         {machine: "update dbx"},
	evidence.CodePolicyBootSbatLevel:   {key: "boot.sbat_levels", change: "list the level in boot.sbat_levels", machine: "update the revocation level", caution: cautionListed},
	evidence.CodePolicyBootMok:         {key: "boot.mok", change: "list the digest in boot.mok", machine: "enrol the listed keys of the machine owner's", caution: cautionListed},
	evidence.CodePolicyBootImages:      {key: "boot.images", change: "list the digest in boot.images", machine: "load the listed images alone", caution: cautionListed},
	evidence.CodePolicyBootKernel:      {key: "boot.kernels", change: "list the kernel's digest in boot.kernels", machine: "load a listed kernel", caution: cautionListed},
	evidence.CodePolicyBootAttempts:    {key: "boot.maximum_boot_attempts", change: "raise boot.maximum_boot_attempts", machine: "start the machine anew, from the first boot option", caution: "a boot option that failed may have run"},
	evidence.CodePolicyBootCommandLine: {key: "boot.command_lines", change: "list the command line in boot.command_lines", machine: "boot with a listed command line", caution: cautionListed},
	evidence.CodePolicyBootLoadOptions: {key: "boot.load_options", change: "list the digest in boot.load_options", machine: "boot with a listed command line", caution: cautionListed},
	evidence.CodePolicyBootInitrd:      {key: "boot.initrds", change: "list the digest in boot.initrds", machine: "boot with a listed initial RAM disk", caution: cautionListed},
	evidence.CodePolicyBootGRUB:        {key: "boot.grub_commands", change: "list the commands in boot.grub_commands", machine: "boot with the listed commands", caution: cautionListed},
	evidence.CodePolicyBootUKI:         {key: "boot.uki", change: "list the sections' digests in boot.uki", machine: "boot a listed image", caution: cautionListed},
	evidence.CodePolicyBootEvent:       {key: "boot.events", change: "list the payload in boot.events", machine: "have the application measure what is listed", caution: cautionListed},
	evidence.CodePolicyBootRegister:    {key: "boot.measurements", change: "list what else the register holds in boot.measurements", machine: "boot nothing but what is listed", caution: cautionListed},
}
