package evidence

// CodeKindOther refuses evidence of another kind than the one asked for.
var CodeKindOther = define("evidence.kind-other", "The evidence is of another kind than the one that was asked for.")
