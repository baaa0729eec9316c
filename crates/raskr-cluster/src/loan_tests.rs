use super::*;

impl Lender {
    fn lend(&self, bytes: &[u8]) -> Option<Loan> {
        Some(self.piece(bytes.len())?.fill(bytes))
    }
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 31 + seed) % 251) as u8).collect()
}

#[test]
fn what_is_lent_is_read_where_it_lies_and_serves_again() {
    let (lender, mut borrower) = (Lender::default(), Borrower::default());
    let (first, second) = (bytes(20 << 20, 1), bytes(30 << 20, 2));
    let loan = lender.lend(&first).expect("a piece");
    let taken = borrower.take(&loan).expect("mapped");
    assert_eq!(taken, first);
    let other = lender.lend(&second).expect("another piece");
    let part = borrower.take(&other).expect("mapped").slice(5..10);
    assert_eq!(part, second[5..10]);
    // Both are taken, and there is no room for a third.
    assert!(lender.lend(&first).is_none());
    drop(taken);
    let again = lender.lend(&bytes(15 << 20, 3)).expect("the first piece");
    assert_eq!((again.mark, borrower.mapped.len()), (loan.mark, 2));
    assert_eq!(borrower.take(&again).expect("mapped already"), bytes(15 << 20, 3));
    assert_eq!(part, second[5..10]);
    assert_eq!(lender.lent(), 3);
}

#[test]
fn pieces_that_are_too_short_make_way() {
    let lender = Lender::default();
    let loans: Vec<Loan> = (0..16).map(|seed| lender.lend(&bytes(4 << 20, seed)).expect("a piece")).collect();
    assert!(lender.lend(&bytes(8 << 20, 0)).is_none());
    let mut borrower = Borrower::default();
    loans.iter().take(4).for_each(|loan| drop(borrower.take(loan).expect("mapped")));
    let longer = lender.lend(&bytes(8 << 20, 7)).expect("two made way");
    assert_eq!(lender.pieces.lock().len(), 15);
    assert_eq!(borrower.take(&longer).expect("mapped"), bytes(8 << 20, 7));
}

#[test]
fn idle_pieces_take_no_memory() {
    let lender = Lender::default();
    let loan = lender.lend(&bytes(4 << 20, 1)).expect("a piece");
    let held = lender.lend(&bytes(4 << 20, 2)).expect("a piece");
    let blocks = |lender: &Lender| -> Vec<u64> {
        let sizes = |piece: &Arc<Piece>| rustix::fs::fstat(&piece.file).expect("a file").st_blocks as u64 * 512;
        lender.pieces.lock().iter().map(sizes).collect()
    };
    assert!(blocks(&lender).iter().all(|bytes| *bytes >= 4 << 20));
    drop(Borrower::default().take(&loan).expect("mapped"));
    lender.empty();
    let left = blocks(&lender);
    assert!(left[0] < 1 << 20 && left[1] >= 4 << 20, "{left:?}");
    assert_eq!(Borrower::default().take(&held).expect("mapped"), bytes(4 << 20, 2));
}

#[test]
fn a_loan_that_is_not_what_it_says_is_refused() {
    let lender = Lender::default();
    let loan = lender.lend(&bytes(2 << 20, 1)).expect("a piece");
    let ordinary = File::open("/proc/self/exe").expect("a file");
    for wrong in [
        Loan { mark: loan.mark ^ 1, ..loan.clone() },
        Loan { len: loan.room + 1, ..loan.clone() },
        Loan { room: 3 << 20, len: 3 << 20, ..loan.clone() },
        Loan { room: u64::MAX, len: 8, ..loan.clone() },
        Loan { descriptor: ordinary.as_raw_fd(), ..loan.clone() },
        Loan { descriptor: -1, ..loan.clone() },
        Loan { process: u32::MAX, ..loan.clone() },
    ] {
        assert!(Borrower::default().take(&wrong).is_err(), "{wrong:?}");
    }
    let mut borrower = Borrower::default();
    assert!(borrower.take(&loan).is_ok());
    // One that is known is looked at, too.
    assert!(borrower.take(&Loan { room: 3 << 20, len: 3 << 20, ..loan }).is_err());
}
