package sevsnp

// MaxForgeries is the bound for tests of what lies behind it.
const MaxForgeries = maxForgeries
