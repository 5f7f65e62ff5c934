"""Payment channels: a deposit on chain, and then a signature for each call, a thousand a second.

signing      vouchers, calls and receipts: what is signed, and whose signature counts
payer        writes a call down, signs it, takes the receipt; payer_book: the file that remembers
payee        looks at a call, takes it up, charges and signs the receipt; payee_book, and holders: who is alive
standing     a channel as the chain has it, believed for half a minute
settling     when to bring vouchers to the chain, and for how much
wire         calls and receipts as members of x402 objects

The contract is PaymentChannels.vy; docs/spec/payment-channels.md says what each party can count on.
"""
