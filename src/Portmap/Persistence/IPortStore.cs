namespace Portmap;

/// <summary>Keeps the facts of a registry over crashes, power loss and reboots. The built-in store is one file
/// (<c>PortRegistryOptions.StateFolder</c>); a host may bring its own, for example over the key-value store it has anyway.</summary>
/// <remarks>
/// What a store owes; <c>PortStoreContract</c> in the tests of this project shows each of them and may be copied.
/// <list type="bullet">
/// <item><b>Ownership</b>: from <see cref="LoadAsync"/> to <see cref="IAsyncDisposable.DisposeAsync"/> the state belongs to this one store. Whoever else
/// opens it meanwhile, in this process or another, is refused at once as <see cref="PortRefusalReason.StateInUse"/> with the process id of the first.
/// A store whose process was killed owns nothing.</item>
/// <item><b>Durability</b>: a batch that was confirmed comes back from the next <see cref="LoadAsync"/>, whatever happened in between: the process
/// killed, the host's power cut.</item>
/// <item><b>Idempotence</b>: facts may come in any order and more than once. Of one (protocol, port, owner) the fact with the highest epoch stands,
/// of one epoch the one in the later <see cref="PortFact.State"/>, of one state the later <see cref="PortFact.At"/>; of the marks the highest.
/// A store may drop what does not stand, and ended facts as <see cref="PortFact.Until"/> says; it never changes a fact.</item>
/// <item><b>Errors</b>: <see cref="PortRefusedException"/> with <see cref="PortRefusalReason.StoreFailed"/>, <see cref="PortRefusalReason.StateInUse"/> or
/// <see cref="PortRefusalReason.StateUnreadable"/> and a text that says what to do. Any other exception is taken for StoreFailed. A failure is never
/// final: the store works again as soon as its medium does.</item>
/// <item><b>Threads</b>: the registry calls one member at a time and waits for it, from any thread; only
/// <see cref="IAsyncDisposable.DisposeAsync"/> may be called more than once. A call may block its thread for as long as the medium takes. A store keeps no
/// lock while it calls back.</item>
/// <item><b>Size</b>: keeping itself small is the store's own business, and no reason to make an append wait.</item>
/// </list>
/// </remarks>
public interface IPortStore : IAsyncDisposable
{
    /// <summary>Takes the state and gives all of it: every fact that stands, or any set of facts from which the same ones stand. Called once, before the first append.</summary>
    /// <param name="onFact">Takes each fact, in any order. It may keep the object.</param>
    /// <param name="onUnreadable">Takes, in words, each part that could not be read: where, how much, and where it was kept.</param>
    /// <param name="cancellationToken">Gives up. The store owns nothing then.</param>
    /// <exception cref="PortRefusedException">Somebody else has the state, it is of a newer version, or the medium fails. Nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken);

    /// <summary>Makes a batch of facts durable. Completes when all of it is.</summary>
    /// <param name="batch">At least one fact. The list is the caller's again afterwards; the facts may be kept.</param>
    /// <param name="cancellationToken">Gives up, if writing has not begun.</param>
    /// <exception cref="PortRefusedException">Any part of the batch may be durable now, or none. The caller appends again later: the same facts, or newer
    /// ones about the same claims.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled, and nothing was written.</exception>
    ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken);
}
