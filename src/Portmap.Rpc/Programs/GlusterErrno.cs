namespace Portmap.Rpc.Programs;

/// <summary>A refusal in the only words that Gluster's replies have: Linux error numbers.</summary>
internal static class GlusterErrno
{
    public const int Invalid = 22;

    private const int NotPermitted = 1;
    private const int NoSuchProcess = 3;
    private const int TryAgain = 11;
    private const int NoSpace = 28;
    private const int AddressInUse = 98;
    private const int AddressNotAvailable = 99;
    private const int NotConnected = 107;
    private const int Already = 114;
    private const int Stale = 116;

    public static int Of(PortRefusalReason reason) => reason switch
    {
        PortRefusalReason.InvalidOwner or PortRefusalReason.InvalidPort or PortRefusalReason.InvalidProtocol or PortRefusalReason.UnknownStrategy => Invalid,
        PortRefusalReason.Conflict or PortRefusalReason.InUse or PortRefusalReason.Foreign or PortRefusalReason.Taken or PortRefusalReason.AttemptsExhausted => AddressInUse,
        PortRefusalReason.NotOwner or PortRefusalReason.NotPermitted => NotPermitted,
        PortRefusalReason.Exhausted or PortRefusalReason.TooManyOwners => NoSpace,
        PortRefusalReason.Stale or PortRefusalReason.LeaseEnded or PortRefusalReason.RevisionTooOld => Stale,
        PortRefusalReason.ProcessDead => NoSuchProcess,
        PortRefusalReason.NotListening => NotConnected,
        PortRefusalReason.WrongPort => AddressNotAvailable,
        PortRefusalReason.AlreadyReserved => Already,
        _ => TryAgain,
    };
}
