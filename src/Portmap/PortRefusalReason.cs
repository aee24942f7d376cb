namespace Portmap;

/// <summary>Why the registry refused.</summary>
public enum PortRefusalReason
{
    /// <summary>
    /// The owner is empty, longer than 4,096 bytes, holds U+0000, or is not well-formed.
    /// </summary>
    InvalidOwner = 0,

    /// <summary>
    /// The port is not in 1..65535, or, where one is handed out, outside the range or excluded.
    /// </summary>
    InvalidPort = 1,

    /// <summary>The protocol is not one the operation takes.</summary>
    InvalidProtocol = 2,

    /// <summary>No strategy of that name is configured.</summary>
    UnknownStrategy = 3,

    /// <summary>Every port of the range is taken, foreign, excluded or still cooling.</summary>
    Exhausted = 4,

    /// <summary><see cref="PortRegistryOptions.MaxOwners"/>, or the share of a user or of a session, is
    /// reached; the message names it.</summary>
    TooManyOwners = 5,

    /// <summary>The owner has an open lease already.</summary>
    AlreadyReserved = 6,

    /// <summary>The port that was insisted on is held by something outside the registry.</summary>
    Foreign = 7,

    /// <summary>
    /// The port that was insisted on belongs to another owner, or is cooling after one.
    /// </summary>
    InUse = 8,

    /// <summary>
    /// A living process of somebody else has the owner or the port, or another host of the fleet has
    /// the owner.
    /// </summary>
    Conflict = 9,

    /// <summary>The epoch belongs to a claim that has ended or was superseded.</summary>
    Stale = 10,

    /// <summary>
    /// Another owner's process listens on the port of the lease, which has ended by that.
    /// </summary>
    Taken = 11,

    /// <summary>The lease is for another port than the one registered.</summary>
    WrongPort = 12,

    /// <summary>
    /// The claim belongs to somebody else, and it is neither over nor of a dead process. See
    /// docs/concepts/epochs.md.
    /// </summary>
    NotOwner = 13,

    /// <summary>The process is dead, or died before it listened.</summary>
    ProcessDead = 14,

    /// <summary>
    /// No process listens on the port, or another one does. Of a program that the host registers
    /// for also: it did not listen in time.
    /// </summary>
    NotListening = 15,

    /// <summary>
    /// <see cref="PortRegistryOptions.BindAttempts"/> ports in a row could not be bound.
    /// </summary>
    AttemptsExhausted = 16,

    /// <summary>
    /// The revision is older than what is kept, or of an earlier run: take a snapshot and go on
    /// from its revision.
    /// </summary>
    RevisionTooOld = 17,

    /// <summary>The lease has ended, so there is nothing left to do with it.</summary>
    LeaseEnded = 18,

    /// <summary>The session has ended; open a new one.</summary>
    SessionEnded = 19,

    /// <summary>
    /// A change could not be made durable (the disk is full, an I/O error, a read-only folder), the
    /// state could not be opened, or not within <see cref="PortRegistryOptions.OpenTimeout"/>, or a
    /// fleet did not confirm a claim. Lookups show what they showed before, except after a release:
    /// then they have stopped. Changes work again as soon as the store, or the fleet, does.
    /// </summary>
    StoreFailed = 20,

    /// <summary>The stored state belongs to another, living daemon.</summary>
    StateInUse = 21,

    /// <summary>
    /// The stored state is of a newer version, names an epoch that no registry gives, or is no state
    /// of a registry. It was left as it is.
    /// </summary>
    StateUnreadable = 22,

    /// <summary>
    /// Who asks may look up and watch, and change nothing of this kind: its user, or the way it is
    /// connected, is not trusted that far.
    /// </summary>
    NotPermitted = 23,

    /// <summary>A limit of the connection or of one call is reached; the message names it.</summary>
    LimitReached = 24,

    /// <summary>
    /// Whether the process listens cannot be seen, and it has to be known: the options ask for it,
    /// the registration takes something from another claim, or the host registers for a program.
    /// </summary>
    Unverifiable = 25,

    /// <summary>The strategy threw when it was asked for a port. Nothing was taken.</summary>
    StrategyFailed = 26,

    /// <summary>Ports are free, and the strategy named none that can be had.</summary>
    StrategyOfferedNothing = 27,

    /// <summary>
    /// The system does not let this user bind the port (EACCES): it needs a privilege, or a
    /// security policy forbids it.
    /// </summary>
    PortDenied = 28,

    /// <summary>The address to bind is not one of this host's (EADDRNOTAVAIL).</summary>
    AddressUnavailable = 29,

    /// <summary>The system has no sockets of that address family (EAFNOSUPPORT).</summary>
    FamilyUnsupported = 30,

    /// <summary>
    /// No descriptor is left for a socket, of the process or of the system (EMFILE, ENFILE).
    /// </summary>
    NoDescriptors = 31,

    /// <summary>No memory is left for a socket (ENOBUFS, ENOMEM).</summary>
    NoMemory = 32,

    /// <summary>
    /// A living process serves the owner, or one of the run before has yet to sign in again, and
    /// the request leaves such an owner alone (<see cref="PortRequest.UnlessServed"/>).
    /// </summary>
    AlreadyServed = 33,

    /// <summary>A block of ports in a row was asked for with a strategy that leaves the number to
    /// the process.</summary>
    NeedsNumbers = 34,

    /// <summary>Others took or changed what was asked for together again and again; nothing was
    /// taken. Ask again.</summary>
    Contended = 35,

    /// <summary>The time that a lease is to wait is outside its bounds.</summary>
    InvalidTime = 36,

    /// <summary>The owner is to be held once in a fleet (<see cref="PortScope.Fleet"/>), and the
    /// registry is joined to none, or only reads it.</summary>
    NoFleet = 37,
}
