//! Unpredictable tokens, fetched from the kernel many at a time.

use crate::icmp::Token;

const SIZE: usize = size_of::<Token>();
const STOCK: usize = 64 * SIZE;

/// A stock of random bytes.
#[derive(Debug)]
pub(crate) struct Tokens {
    stock: [u8; STOCK],
    used: usize,
}

impl Tokens {
    pub(crate) const fn new() -> Self {
        Self { stock: [0; STOCK], used: STOCK }
    }

    /// The next token; none is ever given out twice.
    pub(crate) fn next(&mut self) -> Result<Token, getrandom::Error> {
        if self.used + SIZE > STOCK {
            getrandom::fill(&mut self.stock)?;
            self.used = 0;
        }
        let mut token = Token::default();
        token.iter_mut().zip(self.stock.iter().skip(self.used)).for_each(|(byte, random)| *byte = *random);
        self.used += SIZE;
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZE, STOCK, Tokens};
    use std::collections::HashSet;

    #[test]
    fn no_token_comes_twice() {
        let mut tokens = Tokens::new();
        let all: HashSet<_> = (0..3 * STOCK / SIZE).map(|_| tokens.next().unwrap()).collect();
        assert_eq!(all.len(), 3 * STOCK / SIZE);
    }
}
