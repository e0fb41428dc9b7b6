package control

const (
	// maxBody bounds a request in bytes: a description of a machine that lists files has
	// 650 KiB.
	maxBody = 1 << 20
	// maxDepth, maxElements and maxText bound what a request's JSON is made of, as
	// descriptions of machines do: files in a list, with at most 2 KiB of content.
	maxDepth    = 4
	maxElements = 512
	maxText     = 4096
	// maxTravelHours bounds one move of the clock in hours, ten years: vendors' roots are valid
	// for decades.
	maxTravelHours = 10 * 365 * 24
)
