package evidence

// CodeEvidenceIncomplete refuses a part of evidence that needs its other parts.
var CodeEvidenceIncomplete = define("evidence.incomplete", "This is one part of evidence alone; it counts only together with the others.")
