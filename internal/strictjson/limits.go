package strictjson

// maxDepth bounds how deep the values of [Members] may nest, which are read by
// recursion: no format that is read here nests deeper than a dozen.
const maxDepth = 256
