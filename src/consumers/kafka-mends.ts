/** Places of kafkajs that are mended in our copy of it. What is replaced stands in its module exactly once. */
export interface Mend {
  readonly path: string;
  readonly stock: string;
  readonly mended: string;
}

/**
 * Records for several brokers are sent by one request to each. When one fails, kafkajs tries again at once with every broker
 * that has not answered yet: those requests are still under way, and their records are then written twice, with new sequence
 * numbers, in one transaction. So all answers are awaited first.
 */
const SENDING: Mend = {
  path: "src/producer/sendMessages.js",
  stock: "await Promise.all(requests)",
  mended: "await Promise.allSettled(requests).then(() => Promise.all(requests))",
};

const TRANSACTIONS = "src/producer/eosManager/index.js";

/**
 * kafkajs asks who coordinates before each step of a transaction: four of its nine requests. The coordinator of the transaction is
 * kept to its end, that of the group as long as it answers, each while its connection stands. After an error they are asked for
 * anew.
 */
const COORDINATORS: readonly Mend[] = [
  {
    path: TRANSACTIONS,
    stock: `  const findTransactionCoordinator = () => {
    return cluster.findGroupCoordinator({
      groupId: transactionalId,
      coordinatorType: COORDINATOR_TYPES.TRANSACTION,
    })
  }
`,
    mended: `  const groupCoordinators = new Map()
  let transactionCoordinator
  stateMachine.on('transition', ({ to }) => {
    if (to === STATES.READY) transactionCoordinator = undefined
  })

  const findTransactionCoordinator = async () => {
    if (transactionCoordinator !== undefined && transactionCoordinator.isConnected()) return transactionCoordinator
    const found = await cluster.findGroupCoordinator({
      groupId: transactionalId,
      coordinatorType: COORDINATOR_TYPES.TRANSACTION,
    })
    if (stateMachine.state() === STATES.TRANSACTING) transactionCoordinator = found
    return found
  }
`,
  },
  {
    path: TRANSACTIONS,
    stock: "await broker.addPartitionsToTxn({ transactionalId, producerId, producerEpoch, topics })",
    mended: `try {
            await broker.addPartitionsToTxn({ transactionalId, producerId, producerEpoch, topics })
          } catch (e) {
            transactionCoordinator = undefined
            throw e
          }`,
  },
  {
    path: TRANSACTIONS,
    stock: `        const transactionCoordinator = await findTransactionCoordinator()

        // Do we need to add offsets if we've already done so for this consumer group?
        await transactionCoordinator.addOffsetsToTxn({
          transactionalId,
          producerId,
          producerEpoch,
          groupId: consumerGroupId,
        })
`,
    mended: `        const addingCoordinator = await findTransactionCoordinator()
        try {
          await addingCoordinator.addOffsetsToTxn({
            transactionalId,
            producerId,
            producerEpoch,
            groupId: consumerGroupId,
          })
        } catch (e) {
          transactionCoordinator = undefined
          throw e
        }
`,
  },
  {
    path: TRANSACTIONS,
    stock: `        let groupCoordinator = await cluster.findGroupCoordinator({
          groupId: consumerGroupId,
          coordinatorType: COORDINATOR_TYPES.GROUP,
        })

        return retrier(`,
    mended: `        let groupCoordinator = groupCoordinators.get(consumerGroupId)
        groupCoordinators.delete(consumerGroupId)
        if (groupCoordinator === undefined || !groupCoordinator.isConnected()) {
          groupCoordinator = await cluster.findGroupCoordinator({
            groupId: consumerGroupId,
            coordinatorType: COORDINATOR_TYPES.GROUP,
          })
        }

        return retrier(`,
  },
  {
    path: TRANSACTIONS,
    stock: `              groupId: consumerGroupId,
              topics,
            })
          } catch (e) {`,
    mended: `              groupId: consumerGroupId,
              topics,
            })
            groupCoordinators.set(consumerGroupId, groupCoordinator)
          } catch (e) {`,
  },
];

/**
 * Each connection looks ten times a second whether a request has timed out; a profiler of 64 partitions has more than a hundred, and
 * woke up for that a thousand times a second. Requests time out after many seconds: once a second is enough.
 */
const TIMEOUT_CHECKS: Mend = {
  path: "src/network/requestQueue/index.js",
  stock: "Math.min(this.requestTimeout, 100)",
  mended: "Math.min(this.requestTimeout, 1000)",
};

export const MENDS: readonly Mend[] = [SENDING, ...COORDINATORS, TIMEOUT_CHECKS];
