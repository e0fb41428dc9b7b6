package evidence

// CodeKindOther refuses evidence of another kind than the one asked for.
var CodeKindOther = define("evidence.kind-other", "The evidence is of another kind than the one that was asked for.")

// CodeEndorsementUnvouched refuses to import what is not authentic as far as this build can tell.
var CodeEndorsementUnvouched = define("endorsements.unvouched", "An endorsement was not imported: no chain leads from it to a trusted root of a vendor whose endorsements the store keeps.")
