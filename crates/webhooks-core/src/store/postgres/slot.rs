//! The slot of a customer, by which customers could be divided among databases.

/// Slots that customers are spread over; see `slot` in the schema.
const SLOTS: u64 = 1024;

/// FNV-1a: the same in every version and on every machine.
pub(crate) fn slot(customer: &str) -> i16 {
    let hash = customer
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    i16::try_from(hash % SLOTS).unwrap_or_default()
}
