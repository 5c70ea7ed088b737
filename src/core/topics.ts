/** Key of the deltas, and of what people say of incidents: all lie in partition 0. */
export const SHARD_KEY = "main";

/** Names of the topics that others build on, from `topics.prefix`. */
export interface TopicNames {
  readonly profiles: string;
  readonly metrics: string;
  readonly verdicts: string;
  readonly alerts: string;
  readonly windows: string;
  readonly state: string;
}

export function topicNames(prefix: string): TopicNames {
  return {
    profiles: `${prefix}profiles`,
    metrics: `${prefix}metrics`,
    verdicts: `${prefix}verdicts`,
    alerts: `${prefix}alerts`,
    windows: `${prefix}windows`,
    state: `${prefix}state`,
  };
}
