// The process of one package, as the worker asks it things: started when there is something to ask, ended when its
// connectors are stopped. When it dies, what was asked fails, and so do its connectors.
import { MillraceError } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { FromChild, PluginPlace } from '../host/child-messages.ts';
import { PluginProcess, type PluginProcessSettings } from '../host/child-process.ts';
import { errorOf } from '../host/error-data.ts';
import type { PackageCallTable } from './calls.ts';
import type { PluginPackage } from './package-folder.ts';

/** What a started connector is told. */
export interface InstanceListener {
  reconfigure(): void;
  raise(error: Error): void;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const IDLE_MS = 5000;
const END_MS = 2000;

export class PackageService {
  readonly package: PluginPackage;
  #places: readonly PluginPlace[] = [];
  readonly #settings: PluginProcessSettings;
  readonly #pending = new Map<number, Pending>();
  readonly #instances = new Map<number, InstanceListener>();
  #process: PluginProcess | undefined;
  #nextId = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(from: PluginPackage, settings: PluginProcessSettings) {
    this.package = from;
    this.#settings = settings;
  }

  /** Takes note of the plug-ins of the package. The process that told them does not know them: it has done its part. */
  know(places: readonly PluginPlace[]): void {
    this.#places = places;
    this.#end();
  }

  /** Calls the package. @throws connect.plugin_process_lost, connect.plugin_failed, and what the plug-in throws with a code */
  async call<M extends keyof PackageCallTable>(
    method: M,
    args: Parameters<PackageCallTable[M]>,
    timeoutMs: number,
  ): Promise<Awaited<ReturnType<PackageCallTable[M]>>> {
    clearTimeout(this.#idle);
    const running = this.#running();
    const request = this.#nextId++;
    let timer: NodeJS.Timeout | undefined;
    try {
      const value = await new Promise<unknown>((resolve, reject) => {
        this.#pending.set(request, { resolve, reject });
        timer = setTimeout(() => reject(this.#failed(`${method} took more than ${timeoutMs} ms`)), timeoutMs);
        running.send({ type: 'call', request, method, args });
      });
      return value as Awaited<ReturnType<PackageCallTable[M]>>;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(request);
      this.#endWhenIdle();
    }
  }

  /** An id for a connector, under which its events come until it is forgotten. */
  follow(listener: InstanceListener): number {
    const instance = this.#nextId++;
    this.#instances.set(instance, listener);
    return instance;
  }

  forget(instance: number): void {
    this.#instances.delete(instance);
    this.#endWhenIdle();
  }

  /** Whether the connector lives: it is gone with its process. */
  has(instance: number): boolean {
    return this.#instances.has(instance);
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    await this.#process?.end(END_MS);
  }

  #running(): PluginProcess {
    if (this.#process && !this.#process.dead) return this.#process;
    const started: PluginProcess = new PluginProcess({
      ...this.#settings,
      name: this.package.name,
      places: this.#places,
      onMessage: (message) => this.#receive(message),
      onExit: (error) => {
        // One that was idle has nobody to tell.
        if (this.#process !== started) return;
        this.#process = undefined;
        this.#died(error ?? this.#failed('its process was ended'));
      },
    });
    this.#process = started;
    return started;
  }

  #died(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    const instances = [...this.#instances.values()];
    this.#instances.clear();
    for (const instance of instances) instance.raise(error);
  }

  #receive(message: FromChild): void {
    if (message.type === 'result') {
      const pending = this.#pending.get(message.request);
      if (message.error === undefined) pending?.resolve(message.value);
      else pending?.reject(this.#errorOf(errorOf(message.error)));
    } else if (message.type === 'reconfigure') this.#instances.get(message.instance)?.reconfigure();
    else if (message.type === 'raise') this.#instances.get(message.instance)?.raise(errorOf(message.error));
    else if (message.type === 'log') this.#settings.logHub.write(message.line);
  }

  #errorOf(error: Error): Error {
    if (error instanceof MillraceError) return error;
    return connectError('connect.plugin_failed', error.message, { cause: error });
  }

  #failed(why: string): MillraceError {
    return connectError('connect.plugin_failed', `The plug-ins of ${this.package.name}: ${why}`);
  }

  #endWhenIdle(): void {
    clearTimeout(this.#idle);
    if (this.#pending.size > 0 || this.#instances.size > 0) return;
    this.#idle = setTimeout(() => this.#end(), IDLE_MS);
    this.#idle.unref();
  }

  #end(): void {
    clearTimeout(this.#idle);
    const ending = this.#process;
    this.#process = undefined;
    void ending?.end(END_MS);
  }
}
