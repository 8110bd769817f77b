//! What became of a message.

/// What became of a message that the server took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Recipients for whom the server answers now.
    pub accepted: Vec<String>,
    /// Recipients that it refused, each with its reply.
    pub refused: Vec<RejectedRecipient>,
    /// Whether the message went over TLS.
    pub encrypted: bool,
}

/// A recipient that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRecipient {
    /// The recipient's address.
    pub recipient: String,
    /// What the server said.
    pub reply: String,
}
