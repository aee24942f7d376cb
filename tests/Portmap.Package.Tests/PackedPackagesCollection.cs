using Xunit;

namespace Portmap.Package.Tests;

/// <summary>The tests of one collection run one after the other, which is kind to a machine of two
/// cores.</summary>
[CollectionDefinition(nameof(PackedPackages))]
public sealed class PackedPackagesCollection : ICollectionFixture<PackedPackages>;
