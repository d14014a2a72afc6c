module github.com/vnetmgr/vnetmgr/e2e/cni

go 1.26.1

require github.com/containernetworking/cni v1.3.0
