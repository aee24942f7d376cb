namespace Portmap.Etcd.Tests.Security;

public class TlsTests
{
    [NeedsFact("etcd")]
    public async Task Connect_EtcdThatAsksForCertificates_ServesWhoHasThemAndRefusesTheOthers()
    {
        using Certificates ours = new("ours"), theirs = new("theirs");
        await using EtcdCluster etcd = EtcdCluster.Prepare(isSecure: true);
        (string certificate, string key) = ours.Sign("server", etcd.First.Address);
        (string ownCertificate, string ownKey) = ours.Sign("host");
        (string strange, string strangeKey) = theirs.Sign("stranger");
        etcd.First.More = ["--cert-file", certificate, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", ours.AuthorityFile];
        await etcd.StartAsync();

        await using Host a = Host.Start("a", etcd.Endpoints, options =>
            (options.AuthorityFile, options.CertificateFile, options.KeyFile) = (ours.AuthorityFile, ownCertificate, ownKey));
        await using Host distrusting = Host.Start("b", etcd.Endpoints, options =>
            (options.AuthorityFile, options.CertificateFile, options.KeyFile) = (theirs.AuthorityFile, ownCertificate, ownKey));
        await using Host unsigned = Host.Start("c", etcd.Endpoints, options => options.AuthorityFile = ours.AuthorityFile);
        await using Host stranger = Host.Start("d", etcd.Endpoints, options =>
            (options.AuthorityFile, options.CertificateFile, options.KeyFile) = (ours.AuthorityFile, strange, strangeKey));
        await using Host machine = Host.Start("e", etcd.Endpoints);
        Host[] refused = [distrusting, unsigned, stranger, machine];
        foreach (Host host in (Host[])[a, .. refused])
        {
            host.Register("b1", 20_001);
        }

        await a.UntilSameAsync(a);
        await Seen.UntilAsync(() => Says(distrusting, "certificate is invalid") && Says(machine, "certificate is invalid"));
        await Seen.UntilAsync(() => Says(unsigned, "could not be established") && Says(stranger, "could not be established"));

        a.Map.Snapshot().Entries.Should().ContainSingle().Which.Host.Should().Be("a");
        refused.Should().OnlyContain(host => !host.Fleet.Status.IsConnected && host.Map.Count == 0);

        static bool Says(Host host, string text) => host.Fleet.Status.Trouble?.Contains(text, StringComparison.Ordinal) == true;
    }
}
