//! Claims: a delivery in memory has a number that no row of the store had before. It contains its holder's
//! number, above a counter, so that the claims of one node differ from those of another, even if both were the
//! same engine.

/// The bits of a claim below the number of its holder: 2^40 claims per holder, 2^22 holders.
pub(super) const CLAIM_BITS: u32 = 40;

/// The number before a holder's first claim: claims below it belong to holders with lower numbers.
pub(super) fn before_first_of(holder: i64) -> i64 {
    holder << CLAIM_BITS
}

/// Whose a claim is.
pub(super) fn holder_of(claim: i64) -> i64 {
    claim >> CLAIM_BITS
}
