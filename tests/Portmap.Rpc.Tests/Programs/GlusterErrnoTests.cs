using Portmap.Rpc.Programs;

namespace Portmap.Rpc.Tests.Programs;

/// <summary>The error numbers by which Gluster's programs are refused.</summary>
public class GlusterErrnoTests
{
    private const int TryAgain = 11;

    private static readonly Dictionary<PortRefusalReason, int> s_numbers = new()
    {
        [PortRefusalReason.NotOwner] = 1,
        [PortRefusalReason.NotPermitted] = 1,
        [PortRefusalReason.ProcessDead] = 3,
        [PortRefusalReason.InvalidOwner] = 22,
        [PortRefusalReason.InvalidPort] = 22,
        [PortRefusalReason.InvalidProtocol] = 22,
        [PortRefusalReason.UnknownStrategy] = 22,
        [PortRefusalReason.Exhausted] = 28,
        [PortRefusalReason.TooManyOwners] = 28,
        [PortRefusalReason.Conflict] = 98,
        [PortRefusalReason.InUse] = 98,
        [PortRefusalReason.Foreign] = 98,
        [PortRefusalReason.Taken] = 98,
        [PortRefusalReason.AttemptsExhausted] = 98,
        [PortRefusalReason.WrongPort] = 99,
        [PortRefusalReason.NotListening] = 107,
        [PortRefusalReason.AlreadyReserved] = 114,
        [PortRefusalReason.Stale] = 116,
        [PortRefusalReason.LeaseEnded] = 116,
        [PortRefusalReason.RevisionTooOld] = 116,
    };

    public static TheoryData<PortRefusalReason> Reasons { get; } = [.. Enum.GetValues<PortRefusalReason>()];

    [Theory]
    [MemberData(nameof(Reasons))]
    public void Of_EachReason_IsItsNumber(PortRefusalReason reason) => GlusterErrno.Of(reason).Should().Be(s_numbers.GetValueOrDefault(reason, TryAgain));
}
