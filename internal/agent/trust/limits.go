package trust

// maxBundle bounds a bundle's file, in bytes: hundreds of roots.
const maxBundle = 1 << 20
