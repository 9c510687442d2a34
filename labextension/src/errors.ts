/** What went wrong, in words for people. Mirrors `dllab_hub/errors.py`. */
export class LabError extends Error {
  /**
   * @param message One sentence that says what happened.
   * @param hint What to do next; may be empty.
   * @param code Word such as `not_found`; `unreachable` when no answer of the lab came.
   * @param status HTTP status, 0 when no answer came.
   * @param field Dotted path of the offending field; may be empty.
   * @param line Line in the submitted source, counted from 1, or null.
   */
  constructor(
    message: string,
    readonly hint = '',
    readonly code = 'internal',
    readonly status = 0,
    readonly field = '',
    readonly line: number | null = null
  ) {
    super(message);
    this.name = 'LabError';
  }

  /** Whether the lab itself says that there is no such thing: a proxy's 404 says nothing of it. */
  get isGone(): boolean {
    return this.code === 'not_found';
  }

  /** The message as a sentence of its own; on the wire it may be the end of one. */
  get sentence(): string {
    return this.message.charAt(0).toUpperCase() + this.message.slice(1);
  }

  /** The error a REST answer carries, or null when the body is not one of ours. */
  static fromWire(status: number, body: unknown): LabError | null {
    const error = (body as { error?: Record<string, unknown> } | null)?.error;
    if (typeof error !== 'object' || error === null || typeof error.message !== 'string') {
      return null;
    }
    return new LabError(
      error.message,
      typeof error.hint === 'string' ? error.hint : '',
      typeof error.code === 'string' ? error.code : 'internal',
      status,
      typeof error.field === 'string' ? error.field : '',
      typeof error.line === 'number' ? error.line : null
    );
  }

  /** Whatever was thrown, as a LabError. */
  static from(reason: unknown): LabError {
    if (reason instanceof LabError) {
      return reason;
    }
    return new LabError(reason instanceof Error ? reason.message : String(reason));
  }
}
