package evidence

// Codes of the review of recorded claims, beside those of the technologies.
var (
	CodeReviewAnchor = define("review.trust-anchor", "The trust anchor that recorded claims rest on is still trusted.")
	CodeReviewClaims = define("review.claims", "Recorded claims say what a review needs; where they do not, they stand as they are.")
)
