//! Claims: a delivery in memory has a number that no row of the store had before. Its holder's number is in
//! it, above a counter: what a node claimed is told from what another did, or the same engine as another node.

/// The bits of a claim below the number of its holder: 2^40 claims a holder, 2^22 holders.
pub(super) const CLAIM_BITS: u32 = 40;

/// The number before a holder's first claim: claims below it are of holders with lower numbers.
pub(super) fn before_first_of(holder: i64) -> i64 {
    holder << CLAIM_BITS
}

/// Whose a claim is.
pub(super) fn holder_of(claim: i64) -> i64 {
    claim >> CLAIM_BITS
}
