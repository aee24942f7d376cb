namespace Portmap;

/// <summary>Keeps the facts of a registry over crashes, power loss and reboots. The built-in store
/// is one file (<c>PortRegistryOptions.StateFolder</c>); a host may bring its own, for example over
/// the key-value store it has anyway.</summary>
/// <remarks> What a store owes; <c>PortStoreContract</c> of the package Portmap.Testing tests most
/// of it.
/// <list type="bullet">
/// <item><b>Ownership</b>: from <see cref="LoadAsync"/> to
/// <see cref="IAsyncDisposable.DisposeAsync"/> the state belongs to this one store. Whoever else
/// opens it meanwhile, in this process or another, is refused at once as
/// <see cref="PortRefusalReason.StateInUse"/> with the process id of the first. A store whose
/// process was killed owns nothing.</item>
/// <item><b>Durability</b>: a batch that was confirmed comes back from the next
/// <see cref="LoadAsync"/>, whatever happened in between: the process killed, the host's power
/// cut.</item>
/// <item><b>Idempotence</b>: facts may come in any order and more than once. Of one (protocol,
/// port, owner) the fact with the highest epoch stands, of one epoch the one in the later
/// <see cref="PortFact.State"/>, of one state the later <see cref="PortFact.At"/>; of the marks the
/// highest. A store may drop what does not stand, and ended facts as <see cref="PortFact.Until"/>
/// says; it never changes a fact.</item>
/// <item><b>Groups</b>: of facts that share a <see cref="PortFact.Group"/> all are durable or none,
/// whenever the process is killed. Where a store cannot do that, leases that were asked for
/// together may come back without each other, and time out.</item>
/// <item><b>Errors</b>: <see cref="PortRefusedException"/> with
/// <see cref="PortRefusalReason.StoreFailed"/>, <see cref="PortRefusalReason.StateInUse"/> or
/// <see cref="PortRefusalReason.StateUnreadable"/> and a text that says what to do. Any other
/// exception is taken for StoreFailed. A failure is never final: the store works again as soon as
/// its medium does.</item>
/// <item><b>Threads</b>: the registry calls one member at a time and waits for it, from any thread;
/// only <see cref="IAsyncDisposable.DisposeAsync"/> may be called more than once, and only after
/// the call before it has ended. A call may block its thread for as long as the medium takes. A
/// store keeps no lock while it calls back.</item>
/// <item><b>Giving up</b>: an opening that takes longer than
/// <c>PortRegistryOptions.OpenTimeout</c>, or that its caller gives up, cancels the token of the
/// call that runs. The registry then waits until that call has ended, however long it takes, and
/// disposes the store; nothing else follows. A store that was given up changes nothing of the state
/// from then on, for another one may have it by now: the call ends as soon as it can, and the state
/// is free for others when the store is disposed, or before.</item>
/// <item><b>Size</b>: keeping itself small is the store's own business, and no reason to make an
/// append wait.</item>
/// </list>
/// </remarks>
public interface IPortStore : IAsyncDisposable
{
    /// <summary>Takes the state and gives all of it: every fact that stands, or any set of facts
    /// from which the same ones stand. Called once, before the first append.</summary>
    /// <param name="onFact">Takes each fact, in any order. It may keep the object.</param>
    /// <param name="onUnreadable">Takes, in words, each part that could not be read: where, how
    /// much, and where it was kept.</param>
    /// <param name="cancellationToken">Gives up, also while it runs. The store owns nothing then,
    /// and only disposing it follows.</param>
    /// <exception cref="PortRefusedException">Somebody else has the state, it is of a newer version
    /// or no state at all, or the medium fails. Nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken);

    /// <summary>Makes a batch of facts durable. Completes when all of it is.</summary>
    /// <param name="batch">At least one fact. The list is the caller's again afterwards; the facts
    /// may be kept.</param>
    /// <param name="cancellationToken">Gives up, if writing has not begun. Once it has, any part of
    /// the batch may become durable, and only disposing the store follows.</param>
    /// <exception cref="PortRefusedException">Any part of the batch may be durable now, or none.
    /// The caller appends again later: the same facts, or newer ones about the same claims. Of a
    /// registration by a lease nothing need follow as long as that lease is open and is not tried
    /// again.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled: before the call, and
    /// nothing was written; or while it ran.</exception>
    ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken);
}
