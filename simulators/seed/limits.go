package seed

// maxFound bounds the RSA keys that are remembered, at some 4 KiB each: a world has
// three for each of AMD's product lines, and machines with RSA keys two.
const maxFound = 64
