/**
 * Which records of a fetch answer a read-committed reader may see (KIP-98): all but those of aborted transactions.
 *
 * Stands in the place of kafkajs 2.2.4's `filterAbortedMessages`, which lets aborted records through: it takes at most one
 * aborted transaction per record and trusts the order in which the broker lists them (that of their end, not of their
 * begin), so overlapping ones leak; and it tells an abort marker by its key alone, which a user's record may have too.
 */

/** The parts of a record, as kafkajs decodes it, that decide. */
export interface FetchedRecord {
  readonly offset: string;
  readonly key: Uint8Array | null;
  readonly isControlRecord: boolean;
  /** Absent in the record formats before Kafka 0.11, which know no transactions. */
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean };
}

export interface AbortedTransaction {
  readonly producerId: string;
  /** Of its first record in this partition. */
  readonly firstOffset: string;
}

/** `messages` in order of offset, markers included; `abortedTransactions` in any order. */
export function withoutAborted<T extends FetchedRecord>(fetched: {
  readonly messages: readonly T[];
  readonly abortedTransactions?: readonly AbortedTransaction[] | null;
}): readonly T[] {
  const { messages, abortedTransactions } = fetched;
  if (abortedTransactions === undefined || abortedTransactions === null || abortedTransactions.length === 0) {
    return messages;
  }
  const byBegin = abortedTransactions
    .map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) }))
    .sort((a, b) => a.firstOffset - b.firstOffset);
  /** Producers whose transaction, open at this offset, will be aborted. */
  const aborting = new Set<string>();
  let next = 0;
  return messages.filter(({ offset, key, isControlRecord, batchContext }) => {
    const at = Number(offset);
    for (; next < byBegin.length && byBegin[next]!.firstOffset <= at; next += 1)
      aborting.add(byBegin[next]!.producerId);
    if (batchContext === undefined) return true;
    const { producerId, inTransaction } = batchContext;
    if (isControlRecord) {
      if (isAbortMarker(key)) aborting.delete(producerId);
      return true;
    }
    return !(inTransaction && aborting.has(producerId));
  });
}

/** The key of a control record: version and type, both int16; type 0 is abort, 1 is commit. */
function isAbortMarker(key: Uint8Array | null): boolean {
  return key !== null && key.length >= 4 && key[2] === 0 && key[3] === 0;
}
