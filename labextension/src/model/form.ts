import { type ISignal, Signal } from '@lumino/signaling';

/** Something that a person is writing: it lives in this page only and outlasts its view. */
export abstract class Form {
  /** Emitted when there is something new to draw. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  protected announce(): void {
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
}
