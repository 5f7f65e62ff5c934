"""Every bound in one place: name, unit, value, reason. Nothing outside the process is trusted to be small."""

from __future__ import annotations

from typing import Final

# --- encoding
CANONICAL_DEPTH_MAX: Final = 64  # nesting levels; deeper JSON is an attack on recursion, no document of ours passes 8
CANONICAL_BYTES_MAX: Final = 16 * 2**20  # one signed document; larger evidence is a blob named by digest
SAFE_INTEGER_MAX: Final = 2**53 - 1  # RFC 8785 / IEEE 754: larger integers change when other tools read them

# --- Merkle
PROOF_NODES_MAX: Final = 63  # RFC 9162: a tree of 2**63 leaves, the most a proof can need
TREE_SIZE_MAX: Final = 2**63 - 1  # C2SP tlog-tiles sizes fit a signed 64-bit integer

# --- signed notes (C2SP)
NOTE_BYTES_MAX: Final = 64 * 2**10  # sixteen ML-DSA-44 lines of 3.2 kB fit
NOTE_SIGNATURES_MAX: Final = 64  # signed-note asks for at least 16
NOTE_NAME_BYTES_MAX: Final = 255  # one length byte in the ML-DSA cosignature message

# --- log entries (C2SP tlog-tiles)
ENTRY_BYTES_MAX: Final = 65_535  # u16 length prefix in an entry bundle
TILE_WIDTH: Final = 256  # hashes in a full tile, entries in a full bundle

# --- manifests
MANIFEST_FILES_MAX: Final = 100_000  # files of one model version
NAME_BYTES_MAX: Final = 1_024  # a file or tensor name
TENSORS_MAX: Final = 100_000  # the largest published models have about 20,000
SAFETENSORS_HEADER_BYTES_MAX: Final = 100 * 2**20  # the format's own limit
SAFETENSORS_MARKS_MAX: Final = 2_000_000  # colons and commas of a header: 100,000 tensors of six axes, and metadata
PARENTS_MAX: Final = 8  # the contract's loop bound

# --- statements
SUBJECTS_MAX: Final = 1_024  # in-toto subjects of one statement
SIGNATURES_MAX: Final = 16  # DSSE signatures of one envelope

# --- store
CONFIG_BYTES_MAX: Final = 64 * 2**10  # config.toml; a few hundred bytes in practice
WALK_DEPTH_MAX: Final = 64  # folders within folders of a model; deeper is a loop or an attack on recursion
LOCK_POLL_S: Final = 0.02  # flock has no timeout; twenty milliseconds are not felt and cost nothing
LOCK_HOLDER_BYTES_MAX: Final = 256  # the note in a lock file that names its holder
KEYSTORE_BYTES_MAX: Final = 16 * 2**10  # a v3 keystore is about 600 bytes
KEYS_MAX: Final = 1_000  # keys of one workspace; each is a file that listing opens
SCRYPT_N: Final = 2**18  # Web3 Secret Storage's standard work: 256 MiB and about a second
SCRYPT_N_DEVELOPMENT: Final = 2**12  # the passphrase is public, so work would protect nothing
SCRYPT_BYTES_MAX: Final = 2**30  # 128 * n * r of a foreign keystore; more is an attack on memory
SCRYPT_PARALLEL_MAX: Final = 16  # p multiplies the time; geth's light setting is 6
PBKDF2_ROUNDS_MAX: Final = 10_000_000  # some ten seconds; published keystores use 262,144 to 1,000,000
PASSPHRASE_BYTES_MAX: Final = 4_096  # a passphrase file larger than this is the wrong file
BLOB_BYTES_MAX: Final = 64 * 2**30  # one artifact, streamed; the largest published weight shards are below 50 GiB
BLOB_CHUNK_BYTES: Final = 2**20  # read at a time when streaming; memory stays flat
NAMED_BYTES_MAX: Final = 2**28  # a named file is held in memory; a full entry bundle is at most 16 MiB
BLOB_CONNECT_S: Final = 10.0  # to reach a blob server before calling it unavailable
BLOB_READ_S: Final = 60.0  # between two pieces of one answer

# --- nodes
RPC_ANSWER_BYTES_MAX: Final = 64 * 2**20  # one JSON-RPC answer; a full page of logs is about 10 MiB
RPC_TIMEOUT_S: Final = 30.0  # one request, connect to last byte; geth gives up on eth_call after 5 s, proxies after 30
RPC_CONNECT_TIMEOUT_S: Final = 5.0  # a node that does not accept in 5 s is down
RPC_TRIES_MAX: Final = 4  # one idempotent read: 0.1 + 0.2 + 0.4 s of patience covers a restarting proxy
RPC_BACKOFF_S: Final = 0.1  # before the first repeat, doubled each time
RPC_BATCH_MAX: Final = 100  # requests in one batch; the smallest documented limit of public nodes
LOG_RANGE_BLOCKS_MAX: Final = (
    10_000  # blocks asked for at once in eth_getLogs; nodes that allow less say so and we halve
)
LOGS_MAX: Final = 1_000_000  # logs returned by one call: about 1 GiB of Python objects, more must be read in ranges
REASON_CHARS_MAX: Final = 256  # of a revert reason; ours are under 40, a stranger's must not flood a terminal
EXTRA_DATA_BYTES_MAX: Final = 1_024  # header extraData; 32 on Ethereum, clique networks put their signers there
TRIE_NODES_MAX: Final = 65  # nodes on one Merkle-Patricia path: 64 nibbles of a Keccak key, and the leaf
RPC_CONNECTIONS_MAX: Final = 8  # kept open to one node; more threads than this open and close their own

# --- embedded ledger
LEDGER_BLOCK_GAS: Final = (
    1_000_000_000  # gas limit of a block: a group commit of 1,000 transactions stays under the target
)
LEDGER_TX_GAS_MAX: Final = (
    30_000_000  # gas one transaction may ask for; some 30 s of Python at worst, while others wait
)
LEDGER_CALL_GAS_MAX: Final = 50_000_000  # gas of one eth_call or estimate, as geth's --rpc.gascap
LEDGER_CALL_S: Final = 20.0  # one simulated execution; its gas buys minutes of pairings, and clients give up after 30 s
LEDGER_BLOCK_TXS_MAX: Final = 1_000  # transactions committed together; more adds latency, no throughput
LEDGER_TX_BYTES_MAX: Final = 128 * 2**10  # one raw transaction, as in geth's pool
LEDGER_LOCK_WAIT_S: Final = 60  # how long a writer waits for another process; a full block takes about a second
LEDGER_WAL_PAGES: Final = 4_000  # 4 KiB each, before SQLite moves its log into the file; 1,000 costs a fifth of speed
LEDGER_NODE_CACHE: Final = 32_768  # decoded trie nodes kept, some 40 MB
LEDGER_BLOCK_CACHE: Final = 1_024  # verified headers kept
LEDGER_ACCOUNT_CACHE: Final = 50_000  # accounts the writer keeps between blocks before it starts afresh
LEDGER_CALL_BYTES_MAX: Final = 2**20  # calldata of a simulated message; initcode is at most 48 KiB
LEDGER_PROOF_SLOTS_MAX: Final = 1_024  # storage keys of one proof or access list, as geth
LEDGER_FEE_HISTORY_MAX: Final = 1_024  # blocks of eth_feeHistory, as geth
LEDGER_FEE_PERCENTILES_MAX: Final = 100  # of eth_feeHistory, as geth
LEDGER_LOGS_MAX: Final = 100_000  # logs in one answer, some 60 MB of JSON; ask for shorter ranges
LEDGER_LOG_ALTERNATIVES_MAX: Final = 1_000  # addresses or topics in one OR list
LEDGER_SCAN_BLOCKS: Final = 2_000  # headers read at a time while looking for logs, about a megabyte
LEDGER_FILTERS_MAX: Final = 1_000  # filters of one provider
LEDGER_FILTER_IDLE_S: Final = 300  # a filter that nobody polls lapses, as geth
LEDGER_BODY_CACHE: Final = 16  # blocks whose transactions and receipts are kept decoded: 16,000 at most, some 40 MB

# --- inference log
LOG_BATCH_ENTRIES_MAX: Final = 4_096  # entries per frame and fdatasync; more only adds latency
LOG_BATCH_BYTES_MAX: Final = 8 * 2**20  # entry bytes per frame; memory of a batch, and the most a torn write can leave
LOG_BODY_BYTES_MAX: Final = 8 * 2**20  # what is kept beside one entry: its request, its response and their salts
LOG_LINGER_S: Final = 0.002  # how long a busy log waits for a batch to fill
LOG_QUEUE_BATCHES_MAX: Final = 16  # sealed batches waiting for the disk; beyond it producers are told to slow down
LOG_SEGMENT_BYTES: Final = 64 * 2**20  # a WAL file; the unconfirmed tail of one is copied after a crash, in 0.1 s
LOG_WATERMARK_ENTRIES: Final = 2**18  # entries between two watermarks; replaying so many takes under a second
LOG_WATERMARK_BYTES: Final = 2**28  # or so many bytes, where entries or bodies are large; read again in under a second
LOG_RETRY_S: Final = 1.0  # after a full disk, how long before the next attempt
LOG_RESERVE_BYTES: Final = 2**17  # given up when the disk is full so that the checkpoint journal still fits
LOG_TILE_CACHE: Final = 512  # expanded tiles a reader keeps, 16 KiB each
LOG_OPEN_SEGMENTS_MAX: Final = 64  # WAL files a reader keeps open
RECEIPT_HEADS_MAX: Final = 1_024  # checkpoints whose signature a receipt verifier remembers
PREDICT_BODY_BYTES_MAX: Final = 4 * 2**20  # a request or an answer; both and their salts fit beside one log entry
PREDICT_ELEMENTS_MAX: Final = 2**20  # numbers in one tensor; larger inputs belong in files
PREDICT_TENSORS_MAX: Final = 256  # inputs or outputs of one model
PREDICT_RANK_MAX: Final = 16  # dimensions of one tensor
PREDICT_NAME_CHARS_MAX: Final = 256  # tensor names and request ids, echoed in answers
PREDICT_JSON_DEPTH_MAX: Final = 24  # rank and the protocol's own nesting
MODEL_BYTES_MAX: Final = 2 * 2**30  # protobuf's own limit for one ONNX message
LOG_READ_TRIES_MAX: Final = 8  # a writer that takes over moves the tail under its readers; it needs under a second
LOG_READ_PAUSE_S: Final = 0.1  # between two of those tries
LOG_FAULTS_MAX: Final = 100  # faults an audit names before it stops counting

# --- outbox
FEE_CAP_WEI_MAX: Final = 500 * 10**9  # wei per gas; Ethereum exceeded 500 gwei on a handful of days in ten years
FEE_TIP_WEI_MAX: Final = 50 * 10**9  # wei per gas; a tip above this buys nothing but regret
GAS_MARGIN_PERCENT: Final = 20  # over the estimate; state may shift between the estimate and the block
OUTBOX_KEY_CHARS_MAX: Final = 200  # an idempotency key is a sentence, not a document
OUTBOX_IN_FLIGHT_MAX: Final = (
    1_000  # signed and not final rows of one sender; pools drop what is far ahead of the nonce
)
OUTBOX_ATTEMPTS_MAX: Final = 64  # bumps of one row; twenty multiply the first price by ten
OUTBOX_BUMP_AFTER_S: Final = 90.0  # unmined at the head of the line: seven Ethereum slots
OUTBOX_REBROADCAST_AFTER_S: Final = 30.0  # a pool may drop what it once took; the same bytes cost nothing
OUTBOX_FINAL_DEPTH: Final = 64  # blocks, where a node has no "finalized" tag: two epochs of Ethereum
OUTBOX_POLL_S_MIN: Final = 0.005  # first pause of a wait; a development node mines within it
OUTBOX_POLL_S_MAX: Final = 2.0  # later pauses; a sixth of an Ethereum slot
OUTBOX_FILL_MAX: Final = 16  # lost nonces filled in one pass; each costs the gas of a transfer
OUTBOX_MINED_LOOK_S: Final = 2.0  # between looks at mined rows while others are waited for; a reorg can wait as long
OUTBOX_LOCK_WAIT_S: Final = 30.0  # for another worker's pass, which is bounded by its node's timeout
OUTBOX_WAIT_S: Final = 300.0  # for a transaction to be mined, unless the caller says otherwise
SQLITE_BUSY_S: Final = 30.0  # for another process's write; ours take milliseconds

# --- models
MODEL_CONFIG_BYTES_MAX: Final = 16 * 2**20  # one configuration file; the largest published ones are below 1 MiB
CONFIG_NUMBER_DIGITS_MAX: Final = 400  # of one JSON number; a double in full notation has at most 309 before the point
TENSOR_RANK_MAX: Final = 32  # NumPy's own limit was 32 for decades; no layer has more axes
TENSOR_DIMENSION_MAX: Final = 2**48  # elements along one axis; keeps products of hostile shapes small to compute
ONNX_BYTES_MAX: Final = 2**31 - 1  # protobuf's own limit; larger models keep tensors in external files
ONNX_EXTERNAL_READS_MAX: Final = 8  # times that the tensors of a model together read one file; tied weights share it
ONNX_DEPTH_MAX: Final = 48  # graphs within graphs; protobuf refuses about 100 nested messages
ONNX_NODES_MAX: Final = 1_000_000  # of all graphs in one file; large language models have about 50,000
SKLEARN_DEPTH_MAX: Final = 16  # estimators within estimators; a pipeline of searches over ensembles has 5
SKLEARN_PARAMETERS_BYTES_MAX: Final = 2**32  # fitted attributes are held in memory while they are written
ROW_BYTES_MAX: Final = 2**20  # one row of training data as JSON; larger items are files, committed to by digest
ROWS_MAX: Final = 2**32  # rows of one data log
ROWS_APPEND_MAX: Final = 10_000_000  # rows of one append, held in memory: about 4 GiB
DATA_SEGMENTS_MAX: Final = 50_000  # appends to one data log; its document lists them and must stay readable
DATA_LOCK_WAIT_S: Final = 10.0  # for another append to end; one of a million rows takes some seconds
DATA_COLUMNS_MAX: Final = 16_384  # named columns of a table
DATA_REASON_CHARS_MAX: Final = 1_000  # why rows were left out
LINEAGE_MAX: Final = 100_000  # ancestors walked of one version; the oldest published lineages have some hundred
PREDICATE_ENTRIES_MAX: Final = 10_000  # hyper-parameters, metrics or packages of one version
PREDICATE_TEXT_MAX: Final = 4_096  # characters of one of them
FAULTS_SHOWN_MAX: Final = 20  # damaged rows or tensors named in one report; the rest are counted

# --- HTTP listeners
HTTP_HEAD_BYTES_MAX: Final = 16 * 2**10  # request line and headers together; browsers send under 4 KiB
HTTP_HEADERS_MAX: Final = 64  # header fields of one request
HTTP_BODY_BYTES_MAX: Final = 8 * 2**20  # one request; 40,000 rows of 30 features as JSON fit
HTTP_BODIES_BYTES_MAX: Final = 128 * 2**20  # request bodies held at once, over all connections
HTTP_CONNECTIONS_MAX: Final = 1_024  # open at once; each handles one request at a time, and needs a descriptor
HTTP_PIPELINE_MAX: Final = 16  # requests a client may send before reading answers; more is an attack on memory
HTTP_HEAD_S: Final = 10.0  # first to last byte of a head; slower clients hold a place that others need
HTTP_BODY_S: Final = 30.0  # end of head to last byte of the body
HTTP_IDLE_S: Final = 75.0  # between two requests on one connection
HTTP_ANSWER_S: Final = 30.0  # end of the request to its answer; a disk that stands still this long is a fault
HTTP_WRITE_S: Final = 30.0  # a client that takes no bytes for so long is gone
HTTP_LINGER_S: Final = 2.0  # after the last answer, how long what the client still sends is read and dropped
HTTP_DRAIN_S: Final = 10.0  # after a stop is asked for, how long answers under way may take
HTTP_BACKLOG: Final = 1_024  # connections the kernel holds until they are accepted; a burst of clients is no fault
HTTP_SWEEP_S: Final = 0.5  # between two looks at the deadlines above

# --- ASGI services of agents
ASGI_BODY_BYTES_MAX: Final = 2 * 2**20  # one request; a paid call with its tensors or a message with its parts fits
ASGI_DEPTH_MAX: Final = 64  # levels of JSON in one request: arguments have 32, and the envelopes a dozen
BENCH_THREADS: Final = 2  # workspaces open at once behind a service; verbs that wait for a block hold one
BENCH_QUEUE_MAX: Final = 64  # verbs waiting for one of them; more would wait longer than clients do

# --- the model context protocol
MCP_ARGUMENTS_BYTES_MAX: Final = 2**20  # arguments of one call; a receipt with its entry is the largest of ours
MCP_DEPTH_MAX: Final = 32  # levels of arguments; nested tensors need the rank and three
MCP_ROWS_MAX: Final = 200  # rows of one list in a result: a model reads them all, and pays for each
MCP_CALL_S: Final = 330.0  # one question to a server of others: a paid one waits for a block, and at most OUTBOX_WAIT_S
MCP_TOOLS_MAX: Final = 1_000  # tools that a server lists; a model chooses badly among more than some dozens
MCP_PAGES_MAX: Final = 100  # pages of that list
MCP_TOKEN_BYTES_MAX: Final = 1_024  # the file with that secret
MCP_TOKEN_CHARS_MIN: Final = 32  # of the secret that opens a wallet over HTTP: 128 bits in hexadecimal
MCP_SHAPES_KEPT: Final = 256  # compiled schemas; a server has some twenty
MCP_RECEIPT_TRIES_MAX: Final = 12  # looks for a receipt, a quarter of a second apart; a checkpoint comes each second

# --- the agent-to-agent protocol
A2A_CARD_BYTES_MAX: Final = 256 * 2**10  # a card from outside; one of ours has 6 kB
A2A_SIGNATURE_CHARS_MAX: Final = 4_096  # of a header or a signature in base64, and of a token; ours have 200
A2A_ANSWER_BYTES_MAX: Final = 8 * 2**20  # what an agent of others sends in one answer or stream
A2A_CARD_DEPTH_MAX: Final = 32  # levels of it; the protocol's own members need six
A2A_TASK_BYTES_MAX: Final = 4 * 2**20  # a task with its history and its artifacts
A2A_TASKS_MAX: Final = 10_000  # tasks that are kept; beyond it the oldest that nobody works on is forgotten
A2A_WAIT_S: Final = 600.0  # a task that waits for its payment so long lies in the book only, and not in memory
A2A_PUSHES_MAX: Final = 4  # places that are told of one task
A2A_PUSH_S: Final = 5.0  # for such a place to answer
A2A_PUSH_QUEUE_MAX: Final = 256  # notifications on their way; more are not sent
A2A_PUSH_TOKEN_S: Final = 300  # how long the token of a notification counts
A2A_CALL_S: Final = 330.0  # one question to an agent of others, as MCP_CALL_S
A2A_PAGE_MAX: Final = 100  # tasks of one page of a list

# --- HTTP dialers
DIAL_CONNECT_S: Final = 5.0  # to reach a server that is up
DIAL_ANSWER_S: Final = 60.0  # sent to answered; twice what our own servers allow themselves
DIAL_ANSWER_BYTES_MAX: Final = 64 * 2**20  # one answer; a prediction for 40,000 rows is about 4 MiB
ASK_TRIES_MAX: Final = 8  # of a request that a gateway was too busy to take: 0.05 + 0.1 + … + 3.2 s of patience
ASK_BACKOFF_S: Final = 0.05  # before the first repeat, doubled each time
TICKET_BATCHES_KEPT: Final = 1_024  # batch promises whose signature a client need not check again

# --- gateway
INLINE_PREDICT_BODY_BYTES: Final = 64 * 2**10  # bodies above this are parsed and predicted in a thread
INLINE_PREDICT_S: Final = 0.002  # models slower than this on average run in a thread, so others are not kept waiting
PREDICT_THREADS: Final = 2  # onnxruntime releases the interpreter; more threads than cores only add switching
PREDICT_QUEUE_MAX: Final = 256  # predictions waiting for a thread; more would wait longer than clients do
CHECKPOINT_INTERVAL_S: Final = 1.0  # between two checkpoints while entries arrive; a receipt needs one
ANCHOR_INTERVAL_S: Final = 60.0  # between two anchors while checkpoints arrive; each costs gas
RECHECK_INTERVAL_S: Final = 60.0  # between two looks at whether the version may still be served; one read of the chain
RETRY_AFTER_S: Final = 1  # told to clients in Retry-After; a queue drains and a checkpoint comes within it
OUTBOX_CHECK_BYTES_MAX: Final = 16 * 2**20  # outbox files up to this are checked whole on opening: 30 ms at most
OUTBOX_ROWS_MAX: Final = 10_000  # rows listed at once

# --- deployments
CODE_BYTES_MAX: Final = 24_576  # of one contract (EIP-170)
INITCODE_BYTES_MAX: Final = 2 * 24_576  # of what makes one (EIP-3860)
TRANSACTION_GAS_MAX: Final = 1 << 24  # of one transaction, on chains with Osaka's rules (EIP-7825)
DEPLOYMENTS_BYTES_MAX: Final = 1 * 2**20  # a few hundred bytes a contract

# --- index
INDEX_RANGE_BLOCKS: Final = 2_000  # settled blocks read at once; their logs are held in memory until written
INDEX_UNSETTLED_BLOCKS: Final = (
    256  # newest blocks followed one by one; no public network has reorganised deeper in years
)
INDEX_ROUNDS_MAX: Final = 1_000  # times that one sync starts over because the chain or another process moved
INDEX_BUSY_S: Final = 30.0  # wait for another process to finish its block, which takes milliseconds
INDEX_QUERY_ROWS_MAX: Final = 10_000  # rows of one answer; more is asked for in pages
INDEX_QUERY_STEPS_MAX: Final = 50_000_000  # SQLite machine instructions of one query: about a second
INDEX_VALUE_BYTES_MAX: Final = 64 * 2**20  # one value in an answer; no fact of ours comes near
FSCK_FINDINGS_MAX: Final = 1_000  # faults listed; a file with more is rubble, and the count still goes on
FSCK_NODES_HELD_MAX: Final = 200_000  # trie nodes a replay holds before it drops those of past states, some 150 MB

# --- the chain over HTTP
CHAIN_RPC_BATCH_MAX: Final = 1_000  # requests in one batch, as many transactions as one block takes
CHAIN_RPC_THREADS: Final = 8  # requests in work at once; the EVM holds the interpreter lock, so more would only queue

# --- kernels
KERNEL_FIELDS_MAX: Final = 4_096  # inputs of one kernel: 8 kB of calldata at most
KERNEL_STEPS_MAX: Final = 64  # steps of one model; the deepest that fits a block has a dozen
KERNEL_WEIGHTS_MAX: Final = 1 << 20  # of all dense steps: 100 contracts of code, far beyond any block's gas
KERNEL_TREE_NODES_MAX: Final = 1 << 16  # forks and leaves of all trees: 1.5 MB of code
KERNEL_TREE_DEPTH_MAX: Final = 64  # forks on one path; trees grown without a bound have some 30
KERNEL_WIDTH_MAX: Final = 1 << 16  # numbers between two steps: a word of memory each, and memory is paid by the square
KERNEL_NAME_CHARS_MAX: Final = 256  # of a model, a field or a label
KERNEL_PARTS_MAX: Final = 256  # contracts beside a kernel: 6 MB of code, and more gas in calls than a block has
KERNEL_QUALITY_FIGURES_MAX: Final = 64  # measured figures of one artifact
KERNEL_CORNERS_MAX: Final = 128  # inputs at the ends of their ranges that a check runs: half a minute at most
KERNEL_DRAWS_MAX: Final = 32  # and drawn ones
KERNEL_ROWS_MAX: Final = 1_000_000  # of one table to calibrate or test on: 250 MB for 30 features
KERNEL_TABLE_BYTES_MAX: Final = 256 * 2**20  # of its file
KERNEL_RANGES_BYTES_MAX: Final = 2**20  # of a file of ranges: a line for each feature
KERNEL_DECIMAL_CHARS_MAX: Final = 77  # of a scale, an origin or a step: numerator and denominator fit 256 bits each
KERNEL_INTEGER_BITS_MAX: Final = 256  # of a weight or any other number of a model, sign included: a word of the EVM
STAGED_WIDTH_MAX: Final = 1_024  # numbers of a vector that OptimisticModel takes: Bytes[32768]
STAGED_ANSWER_MAX: Final = 256  # numbers of an answer that it takes: DynArray[int256, 256]

# --- coins
COIN_DECIMALS_MAX: Final = 77  # digits that 2**256 - 1 has, less one; tokens have 6 to 18
COIN_SYMBOL_CHARS_MAX: Final = 16  # of a token's name for itself; a stranger's must not flood a terminal

# --- kernels read from ONNX
ONNX_KERNEL_BYTES_MAX: Final = 64 * 2**20  # of a file: a million float32 weights are 4 MiB, trees are wordier
ONNX_KERNEL_NODES_MAX: Final = 10_000  # of a graph; a pipeline with 1,000 polynomial features has 2,000
ONNX_KERNEL_ELEMENTS_MAX: Final = 1 << 22  # of one tensor that does not depend on the input
ONNX_KERNEL_LAYER_MAX: Final = 1 << 16  # numbers of one layer; the largest kernel has some thousands
ONNX_KERNEL_ROWS_MAX: Final = 1 << 22  # numbers of one matrix while a graph is read, 32 MiB
ONNX_KERNEL_HELD_MAX: Final = 1 << 25  # numbers held while a graph is read, all nodes together: 256 MiB
ONNX_KERNEL_WORK_MAX: Final = 1 << 32  # multiplications while a graph is read: some seconds, whatever it asks for
ONNX_KERNEL_RANK_MAX: Final = 8  # axes of a tensor; a batch of pictures has four
ONNX_KERNEL_TREE_DEPTH_MAX: Final = 64  # forks on one path; trees that nobody bounded reach some forty

# --- committees and their providers
COMMITTEE_MEMBERS_MAX: Final = 15  # seats of one request, as the contract allows; settling reads each of them
ASSURED_INPUT_BYTES_MAX: Final = 8_192  # the input of any request whose answer is assured: Bytes[8192] of IAssurance
COMMITTEE_INPUT_BYTES_MAX: Final = 8_192  # the input of one request, as the contract allows; a kernel takes no more
WATCH_CLAIMS_MAX: Final = 100_000  # claims a watcher remembers to have judged, some 10 MB; beyond, it looks once more
NODE_CONFIG_BYTES_MAX: Final = 2**20  # what a provider node is to answer for
NODE_MODELS_MAX: Final = 256  # models that one node serves
NODE_COLLECT_S: Final = 3_600.0  # between two looks at what was earned; each collection costs gas
NODE_JOB_BYTES_MAX: Final = 2**16  # one request in a provider's journal
NODE_JOBS_MAX: Final = 10_000  # requests in a provider's journal that are not over; more cannot be revealed in time
NODE_POLL_S: Final = 2.0  # between two looks at the chain: a reveal takes at least 60 s
NODE_REVEAL_MARGIN_S: Final = 20  # a commitment is made only if so much of the time for it is left
NODE_SETTLE_TURN_S: Final = 15.0  # a member waits so long for each member named before it, then settles itself
NODE_SENDS_MAX: Final = 8  # of one call that was mined and reverted; the chain moved under it each time
NODE_ANSWER_BYTES_MAX: Final = 2**20  # what a model endpoint answers; a label has some bytes
NODE_ANSWER_S: Final = 60.0  # for a model to answer; the terms of a request may allow less

# --- agents' policies and intents
POLICY_BYTES_MAX: Final = 256 * 2**10  # a policy file; one of a hundred counterparties has 20 kB
POLICY_PARTS_MAX: Final = 256  # names of one kind in a policy: what a person can still look over
POLICY_NUMBER_BITS_MAX: Final = 256  # of an integer in a policy file: a word of the EVM
AUDIT_STRANGERS_MAX: Final = 20  # tokens nobody asked for that an audit names; anybody can make more of them
INTENT_BYTES_MAX: Final = 16 * 2**10  # an intent record as JSON; one of ours has 1.5 kB
INTENT_TEXT_CHARS_MAX: Final = 1_024  # of a purpose or a name in it; longer texts are named by digest
INTENT_TOOLS_MAX: Final = 64  # tools that one decision went through
INTENT_CONTENT_BYTES_MAX: Final = 64 * 2**20  # of a prompt or a tool's answer that a record commits to, in memory

# --- agents' registries and scores
SCORING_FACTS_MAX: Final = 1_000_000  # payments of one graph of trust; a hundred thousand take some ten seconds
SCORING_SEEDS_MAX: Final = 1_000  # accounts a reader knows; a score is computed without each of them in turn
SCORING_AMOUNT_MAX: Final = 2**96  # of one payment in its unit: 79 billion coins of 18 decimals
SCORING_RATERS_MAX: Final = 100_000  # clients heard on one agent: edges of one network
SCORING_PROOFS_MAX: Final = 10_000  # payments that feedback names, each read from a node: a minute or so
SCORING_OWN_MAX: Final = 10_000  # accounts that one agent ever belonged to or was paid at
REGISTRATION_BYTES_MAX: Final = 256 * 2**10  # a file that an agent's URI, or its domain, leads to; most have 2 kB
REGISTRATION_DEPTH_MAX: Final = 32  # levels of such a file; the ERC's own members need three
REGISTRATION_LIST_MAX: Final = 1_024  # services, registrations or skills in it
REGISTRATION_TEXT_MAX: Final = 16_384  # characters of a description
REGISTRATION_URI_MAX: Final = 8_192  # characters of an endpoint or an image, which may be a data: URI
EMBEDDED_URI_CHARS_MAX: Final = 2_048  # of a data: URI on chain: the contract keeps no longer one
CREDENTIAL_TEXT_MAX: Final = 512  # characters of an operator's name, number or contact

# --- programs of others
SANDBOX_PROGRAM_BYTES_MAX: Final = 2**20  # source text; what is larger is data, and data is given
SANDBOX_CPU_S_MAX: Final = 3_600  # one program; longer work is cut into several
SANDBOX_MEMORY_BYTES_MAX: Final = 16 * 2**30  # beyond it a machine of ours has none to give
SANDBOX_OUTPUT_BYTES_MAX: Final = 64 * 2**20  # held in memory until the program ends

# --- payments
BOOK_CHECK_BYTES_MAX: Final = 16 * 2**20  # books up to this are checked whole on opening: 30 ms at most
PAYMENT_HEADER_BYTES_MAX: Final = 12 * 2**10  # one payment header as sent; ours have 3 kB, and a request head 16 kB
PAYMENT_DEPTH_MAX: Final = 16  # levels of a payment object; the deepest, a JSON schema in an extension, has 6
PAYMENT_ACCEPTS_MAX: Final = 32  # ways to pay in one challenge; each network and token is one
PAYMENT_TEXT_MAX: Final = 2_048  # characters of a URL, a description or an error in a payment object
PAYMENT_SIGNATURE_BYTES_MAX: Final = 1_024  # of one signature: a key's has 65, a policy account's 288
PAYMENT_BODY_BYTES_MAX: Final = 64 * 2**10  # of a request to a facilitator: payload and requirements, 5 kB as a rule
PAYMENT_ANSWER_BYTES_MAX: Final = 2**20  # of an answer that is kept to be given again; a larger one is made again
PAYMENT_ANSWER_KEPT_S: Final = 86_400.0  # how long; whoever lost an answer asks again within the hour
PAYMENT_DELIVERIES_MAX: Final = 2  # times that an answer which was not kept is made again for one payment
PAYMENT_TIMEOUT_S: Final = 300  # how long a payer's signature for one call lives, unless its seller says otherwise
PAYMENT_TIMEOUT_S_MAX: Final = 3_600  # the longest that our payers sign for: a stolen signature is no good tomorrow
PAYMENT_MARGIN_S: Final = 6  # an authorization that ends within it cannot be mined in time (x402 reference: 6)
PAYMENT_CLAIM_S: Final = 120.0  # a claim whose holder has not ended it by then may be taken over: it has crashed
PAYMENT_RETRY_AFTER_S: Final = 1  # told to who is to repeat the same payment; a block is mined in it, or a few
PAYMENT_RESUME_MAX: Final = 1_000  # settlements of unknown outcome taken up again in one pass
PURSE_WINDOW_S: Final = 86_400.0  # over which what a purse pays in all is limited
PURSE_WARN_PERCENT: Final = 80  # of such a limit: from here on somebody is told
PURSE_IDLE_S: Final = 3_600.0  # after a payment's end, where no block comes: a development chain at rest
PURSE_RESERVED_S: Final = 60.0  # a reservation that was not signed by then never will be: signing takes milliseconds
SETTLED_LOOK_BACK_BLOCKS: Final = 7_200  # in which a payment of at most an hour was settled, at two blocks a second
SLOT_LIFE_S_MIN: Final = 15  # of a slot's period that is left: less cannot be verified, worked for and mined
SETTLE_GAS_MAX: Final = 250_000  # of one settlement: a policy account's takes 140,000, a key's 70,000
CHAIN_CLOCK_S: Final = 5.0  # between two looks at how far the chain's clock is ahead of this machine's
SETTLE_TOGETHER_MAX: Final = 64  # settlements that leave in one pass, and so share a block: 16 million gas at most
VERIFIED_KEPT_S: Final = 10.0  # between the check of a payment and its settlement; after it is checked anew
VERIFIED_KEPT_MAX: Final = 10_000  # payments that were checked and not settled yet
SETTLE_WAIT_S: Final = 30.0  # for a settlement to be mined, before its outcome is called unknown
PAYER_FAILURES_MAX: Final = 5  # settlements of one payer that failed on chain within the window below; each cost gas
PAYER_FAILURES_S: Final = 3_600.0
PAYWALL_THREADS: Final = 16  # payments looked at or settled at once; each waits for a node
PAYING_TRIES_MAX: Final = 6  # times that one payment is sent whose outcome is not known: 0.25 + 0.5 + … + 4 s between
PAYING_BACKOFF_S: Final = 0.25  # before the first repeat, doubled each time
FETCH_ANSWER_S: Final = 60.0  # for a server to answer: it works, and then waits for a block
FETCH_BODY_BYTES_MAX: Final = 64 * 2**20  # of an answer that is fetched, held in memory
FACILITATOR_THREADS: Final = 16  # payments in work at once; each waits for a block, and blocks are shared
FACILITATOR_QUEUE_MAX: Final = 256  # waiting for one of those; more would wait longer than clients do
FACILITATOR_RATE: Final = 50.0  # requests a second of one client, or of all that have no token
FACILITATOR_BURST: Final = 200  # of them at once
FACILITATOR_PAYER_RATE: Final = 5.0  # settlements a second of one payer; its gas is somebody else's
FACILITATOR_PAYER_BURST: Final = 50
RATES_KEPT_MAX: Final = 10_000  # clients and payers whose rate is remembered; the longest silent is forgotten
FACILITATOR_TOKENS_BYTES_MAX: Final = 64 * 2**10  # of a file of clients' tokens: some thousand clients
GATEWAY_SETTLE_S: Final = 20.0  # for a prediction's payment to be mined; the listener gives the whole answer 30 s
FACILITATOR_TOKEN_CHARS_MIN: Final = 16  # of a client's token; shorter ones are guessed
FACILITATOR_ANSWER_S: Final = 40.0  # for a facilitator to answer: ours waits 30 s for a block

# --- the tool loop
LOOP_TEXT_CHARS_MAX: Final = 256 * 2**10  # one message of a planner; the longest answers of models have 128 kB
LOOP_NAME_CHARS_MAX: Final = 256  # a tool's name or a call's id
LOOP_CALLS_MAX: Final = 32  # calls in one message
LOOP_RESULT_CHARS_MAX: Final = 64 * 2**10  # one tool's answer; a longer one is cut, and says so
LOOP_TOLD_CHARS_MAX: Final = 1_024  # of what a tool of others says of itself
LOOP_STEPS_MAX: Final = 1_000  # of one run; a longer task is several
LOOP_PROMPT_BYTES_MAX: Final = 8 * 2**20  # a conversation: two million tokens, more than any model reads
LOOP_DEPTH_MAX: Final = 32  # of arguments and of their schema: what checks them takes the stack for each level
LOOP_PLAN_BYTES_MAX: Final = 256 * 2**10  # a script or rules in TOML
LOOP_GROUPS_MAX: Final = 64  # in a rule's expression: compiling takes the stack for each that lies in another
LOOP_PLAN_STEPS_MAX: Final = 256  # of them, what a person can still look over
COMPLETION_BYTES_MAX: Final = 4 * 2**20  # one answer of a model's server; texts are at most 256 kB
COMPLETION_S: Final = 300.0  # for a model to answer: slow ones think for minutes
COMPLETION_TRIES_MAX: Final = 4  # of one question: 1 + 2 + 4 s of patience outlast a short overload

# --- payment channels
CHANNEL_CALLS_KEPT: Final = 1_024  # newest calls of a channel whose answers are given again; more than fly at once
CHANNEL_ANSWER_BYTES_MAX: Final = 256 * 2**10  # of an answer over a channel: a thousand a second are kept on disk
CHANNEL_BATCH_MAX: Final = 32  # calls in one commit: half of what flies, so that payer and payee work at once
CHANNEL_VIEW_S: Final = 30.0  # how old what we know of a channel on chain may be; a thirtieth of the least delay
CHANNEL_VIEWS_MAX: Final = 65_536  # channels of which that is remembered: 20 MB
CHANNEL_FRESH_S: Final = 2.0  # between two looks at one channel that its payer's calls can ask for: a top-up is seen
CHANNEL_LOOKS_PER_S_MAX: Final = 50  # at channels we do not know yet: a look costs 2 ms, naming one costs nothing
CHANNEL_MARGIN_S: Final = 600  # before a channel can be withdrawn from no call is taken: a claim needs blocks
CHANNEL_LINES_MAX: Final = 64  # connections to a server behind: as many calls as one payer flies
CHANNEL_SETTLE_MANY: Final = 64  # claims in one transaction, as the contract takes
CHANNEL_HEADER_CHARS_MAX: Final = 8 * 2**10  # of a call as it travels: 1,800 characters, and room for requirements
BUY_ANSWER_BYTES_MAX: Final = 2**20  # one page or prediction that a planner buys; it reads 64 kB of it
BUY_BODY_CHARS_MAX: Final = 256 * 2**10  # what a planner posts
BUY_S: Final = 60.0  # for one answer, each time that the same payment is sent

# --- invoices and the ledger
INVOICE_BYTES_MAX: Final = 256 * 2**10  # one invoice as a file; of a full 256 lines it has 80 kB
INVOICE_LINES_MAX: Final = 256  # of one invoice; more is a statement of a channel, which has one
INVOICE_TEXT_MAX: Final = 200  # characters of one line: it is read by people, in a table
INVOICE_SIGNATURE_BYTES_MAX: Final = 1_024  # a key's has 65, an account's what it likes within this
INVOICE_ATTEMPTS_MAX: Final = 8  # nonces that a key may pay one invoice with, one after another expired unused
INVOICE_PAY_WAIT_S: Final = 60.0  # another process that pays the same invoice is waited for so long
LEDGER_ROWS_MAX: Final = 100_000  # of one book in one ledger: a few hundred megabytes of memory at most
LEDGER_TOPICS_MAX: Final = 100  # addresses in one question for logs; nodes take some hundreds
