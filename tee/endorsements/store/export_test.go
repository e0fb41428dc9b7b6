package store

// OpenFaulty is Open with operations on the directory that fail as told.
var OpenFaulty = open
