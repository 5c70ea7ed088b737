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
