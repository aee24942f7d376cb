namespace Portmap.Tests.Support;

/// <summary>The verbs of a session, with the outcome checked where the test needs only the other
/// half of it.</summary>
internal static class SessionAssertions
{
    public static PortEntry Register(
        this PortSession session, string owner, int port, long? epoch = null, PortProtocol protocol = PortProtocol.Tcp)
    {
        session.TryRegister(new PortClaimRequest(owner, port) { Epoch = epoch, Protocol = protocol }, out PortEntry entry, out PortRefusal? refusal)
            .Should().BeTrue("it was refused: {0}", refusal?.Message);
        return entry;
    }

    public static PortRefusal RegisterRefused(
        this PortSession session, string owner, int port, long? epoch = null, PortProtocol protocol = PortProtocol.Tcp)
    {
        session.TryRegister(new PortClaimRequest(owner, port) { Epoch = epoch, Protocol = protocol }, out PortEntry entry, out PortRefusal? refusal)
            .Should().BeFalse("it was registered as {0}", entry);
        return refusal!;
    }

    public static void Release(
        this PortSession session, string owner, int? port = null, long? epoch = null, PortProtocol protocol = PortProtocol.Tcp) =>
        session.TryRelease(new PortClaimRequest(owner, port) { Epoch = epoch, Protocol = protocol }, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);

    public static PortRefusal ReleaseRefused(
        this PortSession session, string owner, int? port = null, long? epoch = null, PortProtocol protocol = PortProtocol.Tcp)
    {
        session.TryRelease(new PortClaimRequest(owner, port) { Epoch = epoch, Protocol = protocol }, out PortRefusal? refusal).Should().BeFalse();
        return refusal!;
    }
}
