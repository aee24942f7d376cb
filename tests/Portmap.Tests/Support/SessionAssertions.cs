namespace Portmap.Tests.Support;

/// <summary>The verbs of a session, with the outcome checked where the test needs only the other half of it.</summary>
internal static class SessionAssertions
{
    public static PortEntry Register(
        this PortSession session, string owner, int port, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp)
    {
        session.TryRegister(owner, port, out PortEntry entry, out PortRefusal? refusal, epoch, protocol)
            .Should().BeTrue("it was refused: {0}", refusal?.Message);
        return entry;
    }

    public static PortRefusal RegisterRefused(
        this PortSession session, string owner, int port, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp)
    {
        session.TryRegister(owner, port, out PortEntry entry, out PortRefusal? refusal, epoch, protocol)
            .Should().BeFalse("it was registered as {0}", entry);
        return refusal!;
    }

    public static void Release(
        this PortSession session, string owner, int port = 0, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp) =>
        session.TryRelease(owner, out PortRefusal? refusal, port, epoch, protocol).Should().BeTrue("it was refused: {0}", refusal?.Message);

    public static PortRefusal ReleaseRefused(
        this PortSession session, string owner, int port = 0, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp)
    {
        session.TryRelease(owner, out PortRefusal? refusal, port, epoch, protocol).Should().BeFalse();
        return refusal!;
    }
}
